"""The lock where the system has no ``flock`` (Windows): the reader-writer lock of the library ``filelock``.

It is held by SQLite on a file beside, ``<name>.db``, and ends with its process, however that ends. The words of the
holder stay in the file itself, where everybody can read them.
"""

from __future__ import annotations

from pathlib import Path

from filelock import ReadWriteLock, Timeout

__all__ = ["PortableLock"]

_FOREVER = -1.0


class PortableLock:
    """The same promises as `Flock`; a change from shared to exclusive lets go for a moment, as it does there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: ReadWriteLock | None = None
        self._mine = False

    @property
    def held(self) -> bool:
        """Whether it was asked for and not given back."""
        return self._lock is not None

    def acquire(self, *, shared: bool, wait: bool) -> bool:
        """Whether it is ours now. Raises OSError where the file cannot be opened."""
        if self._path.is_symlink():
            raise OSError(f"{self._path} is a link, which is not followed")
        self._path.touch()
        if self._lock is None:
            self._lock = ReadWriteLock(f"{self._path}.db", is_singleton=False)
        if self._mine:
            self._lock.release(force=True)
            self._mine = False
        take = self._lock.acquire_read if shared else self._lock.acquire_write
        try:
            take(_FOREVER, blocking=wait)
        except Timeout:
            return False
        self._mine = True
        return True

    def say(self, holder: str) -> None:
        """Write into the file who holds it."""
        self._path.write_text(holder, encoding="utf-8")

    def holder(self) -> str:
        """What its holder said; empty where nothing was asked for."""
        return self._path.read_text(encoding="utf-8", errors="replace")[:200] if self.held else ""

    def release(self) -> None:
        """Harmless when called twice, and from any thread."""
        if self._lock is not None:
            lock, self._lock, self._mine = self._lock, None, False
            lock.close()
