"""Which process runs which unit: claims held by the operating system, results written whole.

A claim is a lock on a file. It ends with its process, however that ends (kill -9, a job's time limit), so that a unit
is never lost and never needs cleaning up. A unit with a result is done: its file appears at once or not at all. Any
number of processes, ranks or array tasks that see the folder share the work by these two rules alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htmu_diag.errors import StorageError
from htmu_diag.files import storage_errors, write_atomically
from htmu_diag.plain_files import read_json
from htmu_diag.storage.lock import FolderLock, FolderLocked

__all__ = ["alone", "claimed", "result", "write_result"]

CLAIMS, RESULTS = "claims", "results"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """The right to begin the sweep's folder, waited for: the tasks of an array start in the same second."""
    folder = out / CLAIMS
    with storage_errors("make", folder):
        folder.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            lock = FolderLock(folder)
            break
        except FolderLocked:
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def claimed(out: Path, unit: str) -> Iterator[bool]:
    """Whether this process may run the unit: nobody else does, and it has no result yet."""
    folder = out / CLAIMS / unit
    with storage_errors("make", folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FolderLock(folder)
    except FolderLocked:
        yield False
        return
    try:
        yield result(out, unit) is None
    finally:
        lock.release()


def result(out: Path, unit: str) -> dict[str, Any] | None:
    """What the unit ended with; None while it has not. Raises StorageError for a file that is not a result."""
    path = out / RESULTS / f"{unit}.json"
    if not path.exists():
        return None
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise StorageError(f"{path}: not a result ({error}); delete it, and the sweep runs that unit again") from error
    if not isinstance(content, dict) or "status" not in content:
        raise StorageError(f"{path}: not a result; delete it, and the sweep runs that unit again")
    return content


def write_result(out: Path, unit: str, content: Mapping[str, Any]) -> None:
    """Written beside and renamed. Raises StorageError where it cannot be written."""
    path = out / RESULTS / f"{unit}.json"
    with storage_errors("make", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, default=str).encode())
