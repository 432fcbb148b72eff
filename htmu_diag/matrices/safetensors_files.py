"""Tensors of ``.safetensors`` files, one file or several shards.

A file begins with the length of its header (8 bytes, little endian) and the header, a JSON object: of each tensor its
type, its sides, and where its bytes begin and end. Opening reads the header only, and checks it against the file: the
tensors cover all that follows, each byte once. A tensor is read by the rows that are asked for, so that the file may be
larger than the memory (the library's reader maps all of it, which is refused there).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from htmu_diag.errors import InputError
from htmu_diag.matrices.stored import StoredTensor, byte_size, first_line, opened, unreadable
from htmu_diag.matrices.stored_type import StoredType, stored_type
from htmu_diag.narrow import Array
from htmu_diag.plain_files import loads_json
from htmu_diag.safe_text import safe_text

__all__ = ["safetensors_tensors"]

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "C64": "complex64",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}
_LARGEST_HEADER = 100_000_000  # bytes: the format's own limit
_SAMPLE = 4096  # bytes from the front of a tensor: equal tensors have equal ones
_METADATA = "__metadata__"
_FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, MemoryError, RuntimeError)


@dataclass(frozen=True)
class _Described:
    """One entry of the header; ``start`` counts from the beginning of the file."""

    name: str
    kind: str
    shape: tuple[int, ...]
    start: int
    length: int

    @property
    def dtype(self) -> StoredType | None:
        return stored_type(_DTYPES[self.kind]) if self.kind in _DTYPES else None


def safetensors_tensors(path: Path) -> Iterator[StoredTensor]:
    """The tensors of one file in its own order, names of dropped ties last. Raises InputError for a damaged file."""
    try:
        with opened(path) as file:
            described, dropped = _header(file)
            found = [_stored(path, tensor, file) for tensor in described]
    except _FAULTS as error:
        raise _damaged(path, error) from error
    yield from found
    yield from _dropped_ties(found, dropped)


def _header(file: IO[bytes]) -> tuple[list[_Described], Mapping[str, Any]]:
    """The entries by their place in the file, and the names in the metadata. Raises ValueError for a false header."""
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _LARGEST_HEADER):
        raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
    content = loads_json(file.read(length), once=True)
    if not isinstance(content, dict):
        raise ValueError("its header is no JSON object")
    metadata = content.pop(_METADATA, None) or {}
    tensors = [_described(name, entry, 8 + length) for name, entry in content.items()]
    tensors.sort(key=lambda tensor: (tensor.start, tensor.length))
    _refuse_holes(tensors, 8 + length, size)
    return tensors, metadata if isinstance(metadata, dict) else {}


def _described(name: str, entry: Mapping[str, Any], base: int) -> _Described:
    start, stop = entry["data_offsets"]
    shape = entry["shape"]
    numbers = [*shape, start, stop]
    if not all(type(number) is int and 0 <= number < 2**62 for number in numbers) or stop < start:
        raise ValueError(f"{safe_text(name)}: sides or places that are none")
    found = _Described(name, str(entry["dtype"]), tuple(shape), base + start, stop - start)
    if found.dtype is not None and byte_size(shape, found.dtype) != stop - start:
        raise ValueError(f"{safe_text(name)}: {stop - start:,} bytes for a shape of {tuple(shape)} in {found.kind}")
    return found


def _refuse_holes(tensors: list[_Described], begin: int, size: int) -> None:
    for tensor in tensors:
        if tensor.start != begin:
            raise ValueError(f"{safe_text(tensor.name)} does not begin where the one before it ends")
        begin += tensor.length
    if begin != size:
        raise ValueError(f"tensors up to byte {begin:,} in a file of {size:,}")


def _stored(path: Path, tensor: _Described, file: IO[bytes]) -> StoredTensor:
    dtype = tensor.dtype
    if dtype is None:
        refusal = f"stored as {safe_text(tensor.kind)}, which this torch cannot read; convert it to a wider type"
        return StoredTensor(tensor.name, tensor.shape, stored_type("uint8"), _Load(path, tensor), refusal=refusal)
    several = len(tensor.shape) > 1 and 0 not in tensor.shape
    file.seek(tensor.start)
    sample = file.read(min(tensor.length, _SAMPLE)) if several else None
    return StoredTensor(tensor.name, tensor.shape, dtype, _Load(path, tensor), sample=sample)


def _dropped_ties(found: list[StoredTensor], metadata: Mapping[str, Any]) -> Iterator[StoredTensor]:
    """``save_model`` of safetensors keeps one name of a tied tensor and notes the others in the file's metadata."""
    kept = {tensor.name: tensor for tensor in found}
    for name, other in metadata.items():
        if isinstance(other, str) and other in kept and name not in kept:
            tensor = kept[other]
            refusal = f"tied to {safe_text(other)}, which is measured once under that name"
            yield StoredTensor(name, tensor.shape, tensor.dtype, tensor.load, refusal=refusal)


@dataclass(frozen=True)
class _Load:
    """Reads rows of one tensor into memory of their own."""

    path: Path
    tensor: _Described

    def __call__(self, rows: slice) -> Array:
        shape, dtype = self.tensor.shape, self.tensor.dtype or stored_type("uint8")
        first, stop, step = rows.indices(shape[0]) if shape else (0, 1, 1)
        row = byte_size(shape[1:], dtype)
        count = max(stop - first, 0)
        buffer = np.empty(count * row, np.uint8)
        try:
            with opened(self.path) as file:
                file.seek(self.tensor.start + first * row)
                if file.readinto(buffer.data) != buffer.size:
                    raise EOFError("it ends before its values do")
        except (OSError, EOFError) as error:
            raise _damaged(self.path, error) from error
        numbers = buffer.view(dtype.numpy)
        whole = numbers.reshape(count, *shape[1:]) if prod(shape) else np.empty(shape, dtype.numpy)
        return whole[::step] if shape else whole.reshape(())


def _damaged(path: Path, error: Exception) -> InputError:
    if isinstance(error, InputError) and str(error).startswith(str(path)):
        return error
    told = error.msg if isinstance(error, json.JSONDecodeError) else first_line(error).split("; ")[0]
    return unreadable(path, f"not a whole safetensors file ({told})", "copy or download it again")
