"""One writer a folder. The operating system holds the lock and drops it when the process ends, however it ends.

The lock is a ``flock`` on an open file: it belongs to the open file, not to the file's existence, so nothing stale is
left after a crash. A forked child (a data loader's worker) inherits the open file and would keep the lock alive after
its parent's death; therefore every child closes it at once, which does not unlock the parent.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from htmu_diag.errors import StorageError
from htmu_diag.files import storage_errors

if sys.platform != "win32":  # Windows has no flock: there, keeping to one writer is left to the user
    import fcntl

__all__ = ["FileLock", "FolderLock", "FolderLocked", "alone", "refusal", "this_process"]

_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class FolderLocked(StorageError):
    """Another process (or another store of this one) writes the folder."""


class FileLock:
    """The right to something, held as a lock on an open file. A link in its place is refused.

    Between machines it works as far as their shared file system has ``flock`` (NFS from Linux 2.6.12 on; Lustre where
    it is mounted with ``flock``). Windows has none: there every process gets every lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    @property
    def held(self) -> bool:
        """Whether the file is open here; False after ``release`` and in forked children."""
        return self._descriptor >= 0

    def acquire(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Whether it is ours now. Raises OSError where the file cannot be opened or the file system has no locks."""
        if self._descriptor < 0:
            self._descriptor = os.open(self.path, _OPEN, 0o666)
            _HELD.add(self)
        if sys.platform == "win32":
            return True
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, mode if wait else mode | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            return False
        return True

    def say(self, holder: str) -> None:
        """Write into the file who holds it, for whoever is refused."""
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, holder.encode(), 0)

    def holder(self) -> str:
        """What its holder said; empty where the file is not open."""
        return os.pread(self._descriptor, 200, 0).decode(errors="replace") if self._descriptor >= 0 else ""

    def release(self) -> None:
        """Give it back; harmless when called twice."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class FolderLock(FileLock):
    """The right to write into a folder, from construction to ``release()``.

    Raises FolderLocked where another process (or another store of this one) holds it, StorageError where the folder
    cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / ".lock")
        with storage_errors("write into", folder):
            try:
                if not self.acquire():
                    raise FolderLocked(refusal(folder, self.holder() or "another process"))
                self.say(this_process())
            except OSError:
                self.release()
                raise


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """A block that one process at a time goes through for a folder; the others wait. Raises StorageError."""
    with storage_errors("lock a file in", folder):
        lock = FileLock(folder / ".finishing")
        lock.acquire(wait=True)
    try:
        yield
    finally:
        lock.release()


def this_process() -> str:
    """Who holds a lock, in words."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def refusal(folder: Path, holder: str) -> str:
    """What is said to whoever comes second."""
    if holder == this_process():
        return (
            f"{folder} is being written by another monitor or store of this same {holder}, such as one from an earlier "
            "run of a notebook's cell; call its close() first, or choose another log_dir"
        )
    return f"{folder} is being written by {holder}; choose another log_dir or stop that process first"


_HELD: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _release_in_child() -> None:
    for lock in list(_HELD):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
