"""Tensors of a ``torch.distributed.checkpoint`` folder, each put together from its shards when it is read.

The folder's ``.metadata`` is a pickle, which is read as plain data, and the shards are read without running any code:
a folder that would run some is refused. Torch's own reader is not used: it unpickles the metadata without that guard,
and reads whole tensors where rows are asked for.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch

from htmu_diag.matrices.file_part import FilePart
from htmu_diag.matrices.shard_metadata import METADATA, Piece, Sharded, sharded_tensors
from htmu_diag.matrices.stored import DAMAGE, StoredTensor, unreadable
from htmu_diag.matrices.torch_archive import load_torch
from htmu_diag.model.tensors import claims
from htmu_diag.safe_text import safe_text

__all__ = ["METADATA", "distributed_tensors"]

_OPTIMIZER = frozenset({"optim", "optimizer", "optimizers", "scheduler", "lr_scheduler"})
_WRAPPERS = ("app.", "model.", "state_dict.", "module.")


def distributed_tensors(folder: Path) -> Iterator[StoredTensor]:
    """The model's tensors in the folder, without "model." before their names. InputError for a damaged folder."""
    tensors = sharded_tensors(folder)
    names = [name for name in tensors if not _OPTIMIZER & set(name.split(".")[:2])]
    prefix = _common_prefix(names)
    for name in names:
        load = _Load(folder, tensors[name])
        yield StoredTensor(name.removeprefix(prefix), load.shape, load.dtype, load, sample=load.checksums())


def _common_prefix(names: list[str]) -> str:
    """What wraps all names: "model.", or "app.model." of a stateful application."""
    found = ""
    while names and any(all(name.startswith(found + wrapper) for name in names) for wrapper in _WRAPPERS):
        found += next(wrapper for wrapper in _WRAPPERS if names[0].startswith(found + wrapper))
    return found


class _Load:
    """Reads rows of one tensor: of each chunk that has some, or the only chunk as it is."""

    def __init__(self, folder: Path, tensor: Sharded) -> None:
        self.folder, self.shape, self.dtype, self.pieces = folder, tensor.shape, tensor.dtype, tensor.pieces

    def __call__(self, rows: slice) -> torch.Tensor:
        if len(self.pieces) == 1:
            whole = self._values(self.pieces[0])
            return whole[rows] if whole.ndim else whole
        start, stop, _ = rows.indices(self.shape[0])
        found = torch.empty((max(stop - start, 0), *self.shape[1:]), dtype=self.dtype, device="cpu")
        for piece in self.pieces:
            first, last = max(start, piece.offsets[0]), min(stop, piece.offsets[0] + piece.sides[0])
            if first < last:
                others = [slice(o, o + side) for o, side in zip(piece.offsets[1:], piece.sides[1:], strict=True)]
                part = self._values(piece)[first - piece.offsets[0] : last - piece.offsets[0]]
                found[(slice(first - start, last - start), *others)] = part
        return found

    def checksums(self) -> tuple[int, ...] | None:
        """The checksums that the shards carry of their bytes, None where they carry none."""
        try:
            return tuple(self._checksum(piece) for piece in self.pieces) if len(self.shape) > 1 else None
        except DAMAGE:
            return None

    def _checksum(self, piece: Piece) -> int:
        with self._open(piece) as part, zipfile.ZipFile(part) as archive:
            return max(entry.CRC for entry in archive.infolist() if "/data/" in entry.filename)

    def _values(self, piece: Piece) -> torch.Tensor:
        """The values of one piece, checked against what the metadata say of it."""
        with self._open(piece) as part:
            tensor = load_torch(part, self.folder / piece.file)
        told = (piece.sides, self.dtype)
        if not isinstance(tensor, torch.Tensor) or (tuple(tensor.shape), tensor.dtype) != told or claims(tensor):
            what = f"the shard {safe_text(piece.file)} does not hold what {METADATA} says"
            raise unreadable(self.folder, what, "copy or write it again")
        return tensor.detach()

    def _open(self, piece: Piece) -> FilePart:
        try:
            return FilePart(self.folder / piece.file, piece.start, piece.length)
        except OSError as error:
            what = f"the shard {safe_text(piece.file)} is missing"
            raise unreadable(self.folder, what, "copy or write it again") from error
