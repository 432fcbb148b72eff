"""Tensors of a ``torch.distributed.checkpoint`` folder, each put together from its shards when it is read.

The folder's ``.metadata`` is a pickle. It is read here by an unpickler that knows only the classes which describe
shards, and the shards are read with ``weights_only=True``: a folder that would run code is refused. Torch's own reader
is not used: it unpickles the metadata without that guard, and reads whole tensors where rows are asked for.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import torch

from htmu_diag.matrices.file_part import FilePart
from htmu_diag.matrices.stored import DAMAGE, StoredTensor, first_line, unreadable

__all__ = ["METADATA", "distributed_tensors"]

METADATA = ".metadata"
_OPTIMIZER = frozenset({"optim", "optimizer", "optimizers", "scheduler", "lr_scheduler"})
_WRAPPERS = ("app.", "model.", "state_dict.", "module.")
_CLASSES = {
    "torch.distributed.checkpoint.metadata": frozenset(
        {
            "BytesStorageMetadata",
            "ChunkStorageMetadata",
            "Metadata",
            "MetadataIndex",
            "StorageMeta",
            "TensorProperties",
            "TensorStorageMetadata",
            "_MEM_FORMAT_ENCODING",
        }
    ),
    "torch.distributed.checkpoint.filesystem": frozenset({"_StorageInfo", "_StoragePrefix"}),
    "torch.serialization": frozenset({"_get_layout"}),
    "pathlib": frozenset({"PosixPath", "WindowsPath", "PurePosixPath"}),
    "pathlib._local": frozenset({"PosixPath", "WindowsPath", "PurePosixPath"}),
    "collections": frozenset({"OrderedDict"}),
}
Chunk = tuple[str, tuple[int, ...]]  # a tensor's name and the offset of one of its chunks


def distributed_tensors(folder: Path) -> Iterator[StoredTensor]:
    """The model's tensors in the folder, without "model." before their names. InputError for a damaged folder."""
    tensors, stored = _metadata(folder)
    names = [name for name in tensors if not _OPTIMIZER & set(name.split(".")[:2])]
    prefix = _common_prefix(names)
    for name in names:
        load = _described(folder, name, tensors[name], stored)
        yield StoredTensor(name.removeprefix(prefix), load.shape, load.dtype, load, sample=load.checksums())


def _common_prefix(names: list[str]) -> str:
    """What wraps all names: "model.", or "app.model." of a stateful application."""
    found = ""
    while names and any(all(name.startswith(found + wrapper) for name in names) for wrapper in _WRAPPERS):
        found += next(wrapper for wrapper in _WRAPPERS if names[0].startswith(found + wrapper))
    return found


@dataclass(frozen=True)
class _Place:
    """Where one chunk lies: a file of the folder, and the range of its bytes."""

    file: PurePath
    offset: int
    length: int

    @classmethod
    def of(cls, info: Any) -> _Place:
        file = PurePath(info.relative_path)
        if file.is_absolute() or ".." in file.parts or getattr(info, "transform_descriptors", None):
            raise ValueError(f"{file} lies elsewhere or is compressed by an extension")
        return cls(file, int(info.offset), int(info.length))


def _described(folder: Path, name: str, entry: Any, stored: Mapping[Chunk, Any]) -> _Load:
    try:
        return _Load(folder, name, entry, stored)
    except DAMAGE as error:
        what = f"{METADATA} does not say where {name} lies ({first_line(error)})"
        raise unreadable(folder, what, "copy or write it again") from error


class _Load:
    """Reads rows of one tensor: of each chunk that has some, or the only chunk as it is."""

    def __init__(self, folder: Path, name: str, entry: Any, stored: Mapping[Chunk, Any]) -> None:
        self.folder, self.shape, self.dtype = folder, tuple(entry.size), entry.properties.dtype
        self.chunks = [(tuple(chunk.offsets), tuple(chunk.sizes)) for chunk in entry.chunks]
        self.places = [_Place.of(stored[name, offsets]) for offsets, _ in self.chunks]

    def __call__(self, rows: slice) -> torch.Tensor:
        if len(self.chunks) == 1:
            whole = self._chunk(0)
            return whole[rows] if whole.ndim else whole
        start, stop, _ = rows.indices(self.shape[0])
        found = torch.empty((max(stop - start, 0), *self.shape[1:]), dtype=self.dtype)
        for index, (offsets, sizes) in enumerate(self.chunks):
            first, last = max(start, offsets[0]), min(stop, offsets[0] + sizes[0])
            if first < last:
                others = [slice(offset, offset + size) for offset, size in zip(offsets[1:], sizes[1:], strict=True)]
                part = self._chunk(index)[first - offsets[0] : last - offsets[0]]
                found[(slice(first - start, last - start), *others)] = part
        return found

    def checksums(self) -> tuple[int, ...] | None:
        """The checksums that the shards carry of their bytes, None where they carry none."""
        try:
            return tuple(self._checksum(info) for info in self.places) if len(self.shape) > 1 else None
        except DAMAGE:
            return None

    def _checksum(self, place: _Place) -> int:
        with self._open(place) as part, zipfile.ZipFile(part) as archive:
            return max(entry.CRC for entry in archive.infolist() if "/data/" in entry.filename)

    def _chunk(self, index: int) -> torch.Tensor:
        part = self._open(self.places[index])
        try:
            with part:
                tensor: torch.Tensor = torch.load(part, map_location="cpu", weights_only=True)  # type: ignore[arg-type]
        except DAMAGE as error:
            what = f"the shard {self.places[index].file} is damaged ({first_line(error)})"
            raise unreadable(self.folder, what, "copy or write it again") from error
        return tensor.detach()

    def _open(self, place: _Place) -> FilePart:
        try:
            return FilePart(self.folder / place.file, place.offset, place.length)
        except OSError as error:
            raise unreadable(self.folder, f"the shard {place.file} is missing", "copy or write it again") from error


class _ShardUnpickler(pickle.Unpickler):
    """Knows the classes that describe shards, by their full names, and nothing that acts."""

    def find_class(self, module: str, name: str) -> Any:
        is_dtype = module == "torch" and isinstance(getattr(torch, name, None), torch.dtype)
        if is_dtype or (module, name) == ("torch", "Size") or name in _CLASSES.get(module, ()):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"{module}.{name}")


def _metadata(folder: Path) -> tuple[dict[str, Any], dict[Chunk, Any]]:
    """The description of every tensor by name, and where each of its chunks is stored."""
    try:
        with (folder / METADATA).open("rb") as file:
            found = _ShardUnpickler(file).load()
        tensors = {name: entry for name, entry in found.state_dict_metadata.items() if hasattr(entry, "chunks")}
        return tensors, {(index.fqn, tuple(index.offset or ())): info for index, info in found.storage_data.items()}
    except DAMAGE as error:
        what = f"its {METADATA} is damaged or needs code to be run ({first_line(error)})"
        raise unreadable(folder, what, "write it again with torch.distributed.checkpoint.save") from error
