"""A ``flock`` belongs to the open file, not to the file's existence, so a crash leaves nothing stale.

A forked child (a data loader's worker) inherits the open file and would keep the lock alive after its parent's death;
therefore every child closes it at once, which does not unlock the parent.
"""

from __future__ import annotations

import errno
import fcntl
import os
import weakref
from pathlib import Path

__all__ = ["Flock"]

_OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Flock:
    """A lock on one file.

    Between machines it works as far as their shared file system has ``flock`` (NFS from Linux 2.6.12 on; Lustre where
    it is mounted with ``flock``).
    """

    def __init__(self, path: Path) -> None:
        self._path, self._descriptor = path, -1

    @property
    def held(self) -> bool:
        """Whether the file is open here; False after ``release`` and in forked children."""
        return self._descriptor >= 0

    def acquire(self, *, shared: bool, wait: bool) -> bool:
        """Whether it is ours now. Raises OSError where the file cannot be opened or the file system has no locks."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, _OPEN, 0o666)
            _HELD.add(self)
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._descriptor, mode if wait else mode | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            return False
        return True

    def say(self, holder: str) -> None:
        """Write into the file who holds it."""
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, holder.encode(), 0)

    def holder(self) -> str:
        """What its holder said; empty where the file is not open."""
        return os.pread(self._descriptor, 200, 0).decode(errors="replace") if self._descriptor >= 0 else ""

    def release(self) -> None:
        """Harmless when called twice."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


_HELD: weakref.WeakSet[Flock] = weakref.WeakSet()


def _release_in_child() -> None:
    for lock in list(_HELD):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
