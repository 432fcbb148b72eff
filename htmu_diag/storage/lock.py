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
from pathlib import Path

from htmu_diag.errors import StorageError
from htmu_diag.files import storage_errors

if sys.platform != "win32":  # Windows has no flock: there, keeping to one writer is left to the user
    import fcntl

__all__ = ["FolderLock", "FolderLocked"]


class FolderLocked(StorageError):
    """Another process (or another store of this one) writes the folder."""


class FolderLock:
    """The right to write into a folder, from construction to ``release()``.

    Raises FolderLocked where another process (or another store of this one) holds it, StorageError where the folder
    cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / ".lock"
        with storage_errors("write into", folder):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                self._acquire(folder)
                os.truncate(self._descriptor, 0)
                os.write(self._descriptor, _this_process().encode())
            except OSError:
                self.release()
                raise
        _HELD.add(self)

    @property
    def held(self) -> bool:
        """True until it is released; False in forked children."""
        return self._descriptor >= 0

    def release(self) -> None:
        """Give the lock back; harmless when called twice."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _acquire(self, folder: Path) -> None:
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            holder = os.pread(self._descriptor, 200, 0).decode(errors="replace") or "another process"
            raise FolderLocked(_refusal(folder, holder)) from None


def _this_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _refusal(folder: Path, holder: str) -> str:
    if holder == _this_process():
        return (
            f"{folder} is being written by another monitor or store of this same {holder}, such as one from an earlier "
            "run of a notebook's cell; call its close() first, or choose another log_dir"
        )
    return f"{folder} is being written by {holder}; choose another log_dir or stop that process first"


_HELD: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _release_in_child() -> None:
    for lock in list(_HELD):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
