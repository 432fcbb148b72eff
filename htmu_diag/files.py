"""Files that appear whole or not at all: written beside their place, made durable, then renamed over it.

``os.replace`` is atomic on one file system (POSIX rename), so a reader sees the old file or the new one, and a process
killed at any moment leaves at most a stray temporary file. Against a power loss the bytes are flushed to the device
*before* the rename (else the name can survive without its content) and the folder after it (else the name can be lost).

No link is followed at a name that is written: in a folder that somebody else made it may lead to a file of the user's.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from htmu_diag.errors import StorageError

__all__ = ["TEMPORARY", "append", "own_folder", "storage_errors", "sync_folder", "write_atomically", "write_result"]

_PLAIN = os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
_BEGINNING = 4  # bytes that tell one kind of result from another: "step" of a table, a page's "<!do"
TEMPORARY = ".writing"  # suffix of files that are not there yet


@contextmanager
def storage_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError (disk full, read-only, no permission) into one StorageError that names the folder."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StorageError(f"cannot {doing} {path}: a link, which is not followed; remove it") from error
        full = "free some space or " if error.errno in _FULL else ""
        reason = error.strerror or str(error)
        raise StorageError(
            f"cannot {doing} {path}: {reason}; {full}choose another folder that can be written"
        ) from error


def write_atomically(path: Path, data: bytes, *, fsync: bool = True) -> None:
    """Put ``data`` at ``path`` in one step. Raises StorageError, leaving whatever was at ``path`` before.

    fsync: survive a power loss too. The default, since it waits for the disk without holding Python's lock.
    """
    beside = path.with_name(f".{path.name}{TEMPORARY}")
    with storage_errors("write", path):
        try:
            _write(beside, data, fsync)
            os.replace(beside, path)
        except OSError:
            with suppress(OSError):
                beside.unlink()
            raise
        if fsync:
            sync_folder(path.parent)


def write_result(path: Path, data: bytes) -> None:
    """A file that a command was asked for by name, in one step. Raises StorageError as `write_atomically`.

    Nothing else is lost by it: a link, a device, a folder and a file that begins otherwise are refused.
    """
    with storage_errors("write", path):
        kind = os.lstat(path).st_mode if os.path.lexists(path) else stat.S_IFREG
        if stat.S_ISLNK(kind):
            raise StorageError(f"{path}: a link, and nothing is written through links; remove it, or name another file")
        if not stat.S_ISREG(kind):
            raise StorageError(f"{path}: no regular file, and is not replaced; name another file")
        if path.exists():
            with open(path, "rb") as file:
                begins = file.read(_BEGINNING)
            if begins and begins != data[:_BEGINNING]:
                raise StorageError(
                    f"{path} holds something else, which is not replaced; remove it, or name another file"
                )
        write_atomically(path, data, fsync=False)


def append(path: Path, data: bytes, *, create: bool = True, fsync: bool = False) -> None:
    """Add bytes to the end of a file, all or none. Raises StorageError; the file then ends where it ended before."""
    with storage_errors("write", path):
        descriptor = os.open(path, _PLAIN | os.O_APPEND | (os.O_CREAT if create else 0), 0o666)
        try:
            _append_or_cut(descriptor, data)
            if fsync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def own_folder(path: Path, *, afresh: bool = False) -> Path:
    """A folder that is made unless it is there; a link in its place is refused. Raises StorageError.

    afresh: what is there already goes first, a link as a link.
    """
    with storage_errors("create", path):
        if path.is_symlink() and not afresh:
            raise StorageError(
                f"{path}: a link, and nothing is written through links; remove it, or choose another folder"
            )
        if afresh and (path.is_symlink() or path.is_file()):
            path.unlink()
        elif afresh and path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True, exist_ok=True)
    return path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Windows has no such call: nothing is done there."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _append_or_cut(descriptor: int, data: bytes) -> None:
    end = os.fstat(descriptor).st_size
    try:
        while data:  # one call may write a part only, up to the last free block
            data = data[os.write(descriptor, data) :]
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def _write(path: Path, data: bytes, fsync: bool) -> None:
    with suppress(FileNotFoundError):
        path.unlink()  # of a process that was killed, or a link that somebody put there
    descriptor = os.open(path, _PLAIN | os.O_CREAT | os.O_EXCL, 0o666)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if fsync:
            os.fsync(file.fileno())
