"""Many records in one file: what was a file a step while a run was written becomes one file and an index.

    records.pack     records one after the other, each as its own file would be
    records.index    32 bytes a record: step, offset, size, check (int64, little-endian)

Packing appends the bytes of records to the pack, then their places to the index, then removes their files; each is
durable before the next begins. A process that is killed in between leaves bytes that no index names, or files that
are in the pack as well: a reader sees the file or the pack, with the same content. An entry is 32 bytes whose check
agrees; what a killed process wrote of the next one is ignored, and cut off by the next packing. A file beside the
pack is newer than the pack's record of that step, and of two entries of one step the later counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from htmu_diag.files import append, storage_errors, sync_folder
from htmu_diag.plain_files import open_plain

__all__ = ["INDEX", "PACK", "Index", "append_places", "pack", "read_index"]

PACK, INDEX = "records.pack", "records.index"
LARGEST = 2**20  # bytes of a record that is packed
_TOGETHER = 2**25  # bytes of records in memory at once
_ENTRY = 32  # bytes
_MARK = 0x68746D75  # "htmu": an entry of zeros, as a lost block of a disk is read, is none
Index = npt.NDArray[np.int64]  # (n, 3): step, offset, size


def read_index(path: Path) -> Index:
    """The places that an index names, in the order in which they were written; none where there is no index."""
    try:
        status = os.stat(path)
        return _read_index(path, status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError:
        return np.empty((0, 3), dtype=np.int64)


@lru_cache(maxsize=256)  # segments of a run that was resumed often: a step is looked for in each
def _read_index(path: Path, *state: int) -> Index:
    """Read again where the file is another one, or has another size or time: of 100,000 records it has 3 MB."""
    with open_plain(path) as file:
        data = file.read()
    entries = np.frombuffer(data[: len(data) - len(data) % _ENTRY], dtype="<i8").reshape(-1, 4)
    wrong = np.flatnonzero(_check(entries[:, :3]) != entries[:, 3])
    return entries[: wrong[0] if wrong.size else None, :3]


def append_places(path: Path, places: Iterable[tuple[int, int, int]], *, fsync: bool) -> None:
    """Add (step, offset, size) to an index. Raises StorageError; the index then ends where it ended before."""
    table = np.array(list(places), dtype="<i8").reshape(-1, 3)
    whole = len(read_index(path)) * _ENTRY
    with storage_errors("write", path):
        if path.exists() and path.stat().st_size != whole:
            os.truncate(path, whole)
    append(path, np.column_stack([table, _check(table)]).astype("<i8").tobytes(), fsync=fsync)


def pack(folder: Path, files: Mapping[int, Path], *, fsync: bool) -> None:
    """Move records (step -> file) of a segment's folder into its pack; large ones stay, as they are no small files.

    Raises StorageError: every record is then there once or twice. For the one writer of the folder.
    """
    batch: list[tuple[int, Path, bytes]] = []
    for step, path in sorted(files.items()):
        with storage_errors("read", path), open_plain(path) as file:
            content = file.read(LARGEST + 1)
        if len(content) <= LARGEST:
            batch.append((step, path, content))
        if sum(len(content) for _, _, content in batch) > _TOGETHER:
            _move(folder, batch, fsync)
            batch = []
    if batch:
        _move(folder, batch, fsync)


def _move(folder: Path, batch: Sequence[tuple[int, Path, bytes]], fsync: bool) -> None:
    path, places, parts = folder / PACK, [], []
    end = path.stat().st_size if path.exists() else 0
    for step, _, content in batch:
        places.append((step, end, len(content)))
        parts.append(content + b"\0" * (-len(content) % 8))
        end += len(parts[-1])
    append(path, b"".join(parts), fsync=fsync)
    append_places(folder / INDEX, places, fsync=fsync)
    with storage_errors("clean", folder):
        for _, file, _ in batch:
            file.unlink()
    if fsync:
        sync_folder(folder)


def _check(table: Index) -> Index:
    step, offset, size = table.T
    check: Index = step * 31 + offset * 37 + size * 41 + _MARK
    return check
