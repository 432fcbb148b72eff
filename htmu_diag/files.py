"""Files that appear whole or not at all: written beside their place, made durable, then renamed over it.

``os.replace`` is atomic on one file system (POSIX rename), so a reader sees the old file or the new one, and a process
killed at any moment leaves at most a stray temporary file. Against a power loss the bytes are flushed to the device
*before* the rename (else the name can survive without its content) and the folder after it (else the name can be lost).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from htmu_diag.errors import StorageError

__all__ = ["TEMPORARY", "append", "storage_errors", "sync_folder", "write_atomically"]

_APPEND = os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0)  # Windows opens texts without O_BINARY
TEMPORARY = ".writing"  # suffix of files that are not there yet


@contextmanager
def storage_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError (disk full, read-only, no permission) into one StorageError that names the folder."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"cannot {doing} {path}: {reason}; free some space or choose another folder that can be written"
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


def append(path: Path, data: bytes, *, create: bool = True) -> None:
    """Add bytes to the end of a file, all or none. Raises StorageError; the file then ends where it ended before."""
    with storage_errors("write", path):
        descriptor = os.open(path, _APPEND | (os.O_CREAT if create else 0), 0o666)
        try:
            _append_or_cut(descriptor, data)
        finally:
            os.close(descriptor)


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
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        if fsync:
            os.fsync(file.fileno())
