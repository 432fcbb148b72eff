"""Tensors of ``.safetensors`` files, one file or several shards.

Opening reads the header only. A tensor is a view of the mapped file, so that it is not held twice; what was read counts
as resident as long as the map lives, so the file is mapped anew from time to time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from htmu_diag.errors import InputError
from htmu_diag.matrices.stored import RELEASE_BYTES, StoredTensor, byte_size, unreadable

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
_ERRORS = (SafetensorError, OSError, ValueError, RuntimeError)  # the last two: sizes that no tensor can have


def safetensors_tensors(path: Path) -> Iterator[StoredTensor]:
    """The tensors of one file in its own order, names of dropped ties last. Raises InputError for a damaged file."""
    whole = _File(path)
    try:
        with safe_open(path, framework="pt") as file:
            found = [_described(whole, name, file.get_slice(name)) for name in file.keys()]  # noqa: SIM118 (not a mapping)
            dropped = dict(file.metadata() or {})
    except _ERRORS as error:
        raise _damaged(path, error) from error
    yield from found
    yield from _dropped_ties(found, dropped)


def _described(file: _File, name: str, part: Any) -> StoredTensor:
    shape, kind = tuple(part.get_shape()), part.get_dtype()
    dtype = getattr(torch, _DTYPES.get(kind, ""), None)
    if dtype is None:
        refusal = f"stored as {kind}, which this torch cannot read; convert it to a wider type"
        return StoredTensor(name, shape, torch.uint8, _Load(file, name, shape, torch.uint8), refusal=refusal)
    several = len(shape) > 1 and 0 not in shape
    sample = bytes(part[0:1].contiguous().view(torch.uint8).numpy()) if several else None
    return StoredTensor(name, shape, dtype, _Load(file, name, shape, dtype), sample=sample)


def _dropped_ties(found: list[StoredTensor], metadata: dict[str, str]) -> Iterator[StoredTensor]:
    """``save_model`` of safetensors keeps one name of a tied tensor and notes the others in the file's metadata."""
    kept = {tensor.name: tensor for tensor in found}
    for name, other in metadata.items():
        if other in kept and name not in kept:
            tensor = kept[other]
            refusal = f"tied to {other}, which is measured once under that name"
            yield StoredTensor(name, tensor.shape, tensor.dtype, tensor.load, refusal=refusal)


class _File:
    """One file, mapped when first needed and mapped anew before more than `RELEASE_BYTES` of it are read."""

    def __init__(self, path: Path) -> None:
        self.path, self._read = path, 0
        self._open: Any = None

    def read(self, name: str, rows: slice, size: int) -> torch.Tensor:
        if self._read + size > RELEASE_BYTES:
            self._open, self._read = None, 0
        self._read += size
        try:
            self._open = safe_open(self.path, framework="pt") if self._open is None else self._open
            whole: torch.Tensor = self._open.get_tensor(name)
        except _ERRORS as error:
            raise _damaged(self.path, error) from error
        return whole[rows] if whole.ndim else whole


class _Load:
    def __init__(self, file: _File, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.file, self.name, self.shape, self.dtype = file, name, shape, dtype

    def __call__(self, rows: slice) -> torch.Tensor:
        count = len(range(*rows.indices(self.shape[0]))) if self.shape else 1
        return self.file.read(self.name, rows, byte_size((count, *self.shape[1:]), self.dtype))


def _damaged(path: Path, error: Exception) -> InputError:
    return unreadable(path, f"not a whole safetensors file ({error})", "copy or download it again")
