"""One writer a folder. The operating system holds the lock and drops it when the process ends, however it ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from htmu_diag.errors import StorageError
from htmu_diag.files import storage_errors

__all__ = ["FileLock", "FolderLock", "FolderLocked", "alone", "refusal", "this_process", "writer"]


class FolderLocked(StorageError):
    """Another process (or another store of this one) writes the folder. holder: who, in words."""

    def __init__(self, sentence: str, holder: str = "another process") -> None:
        super().__init__(sentence)
        self.holder = holder

    @classmethod
    def of(cls, folder: Path, holder: str) -> FolderLocked:
        """The refusal of a folder."""
        return cls(refusal(folder, holder), holder)


class FileLock:
    """The right to something, held as a lock on an open file. A link in its place is refused.

    It is a `Flock` where the system has them, else a `PortableLock`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _made(path)

    @property
    def held(self) -> bool:
        """Whether the file is open here; False after ``release`` and in forked children."""
        return self._lock.held

    def acquire(self, *, shared: bool = False, wait: bool = False) -> bool:
        """Whether it is ours now. Raises OSError where the file cannot be opened or the file system has no locks."""
        return self._lock.acquire(shared=shared, wait=wait)

    def say(self, holder: str) -> None:
        """Write into the file who holds it, for whoever is refused."""
        self._lock.say(holder)

    def holder(self) -> str:
        """What its holder said; empty where the file is not open."""
        return self._lock.holder()

    def release(self) -> None:
        """Give it back; harmless when called twice."""
        self._lock.release()


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
                    raise FolderLocked.of(folder, self.holder() or "another process")
                self.say(this_process())
            except OSError:
                self.release()
                raise


def writer(folder: Path) -> str:
    """Who writes the folder, in words; empty where nobody does, or where that cannot be asked. Nobody is kept out."""
    lock = FileLock(folder / ".lock")
    try:
        return "" if lock.acquire(shared=True) else lock.holder() or "another process"
    except OSError:
        return ""
    finally:
        lock.release()


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


class _Lock(Protocol):
    @property
    def held(self) -> bool: ...
    def acquire(self, *, shared: bool, wait: bool) -> bool: ...
    def say(self, holder: str) -> None: ...
    def holder(self) -> str: ...
    def release(self) -> None: ...


def _made(path: Path) -> _Lock:
    if find_spec("fcntl") is not None:
        from htmu_diag.storage.flock import Flock

        return Flock(path)
    from htmu_diag.storage.portable_lock import PortableLock

    return PortableLock(path)
