"""Tensors of ``.safetensors`` files, one file or several shards.

The file is opened anew for each tensor: its pages are mapped, and would stay resident as long as it is open. Opening
reads the header only (about a millisecond for some hundred tensors).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from htmu_diag.errors import InputError
from htmu_diag.matrices.stored import StoredTensor, unreadable

__all__ = ["safetensors_tensors"]

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def safetensors_tensors(path: Path) -> Iterator[StoredTensor]:
    """The tensors of one file in its own order. Raises InputError for a file that is truncated or of another kind."""
    try:
        with safe_open(path, framework="pt") as file:
            found = [(name, file.get_slice(name)) for name in file.keys()]  # noqa: SIM118 (not a mapping)
            described = [(name, tuple(part.get_shape()), part.get_dtype()) for name, part in found]
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error
    for name, shape, kind in described:
        dtype = _DTYPES.get(kind, torch.uint8)
        refusal = "" if kind in _DTYPES else f"stored as {kind}, which cannot be read; convert it to a wider type"
        yield StoredTensor(name, shape, dtype, _Load(path, name), refusal=refusal)


class _Load:
    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name

    def __call__(self, rows: slice) -> torch.Tensor:
        try:
            with safe_open(self.path, framework="pt") as file:
                part: torch.Tensor = file.get_slice(self.name)[rows.start or 0 : rows.stop]
        except (SafetensorError, OSError) as error:
            raise _damaged(self.path, error) from error
        return part


def _damaged(path: Path, error: Exception) -> InputError:
    return unreadable(path, f"not a whole safetensors file ({error})", "copy or download it again")
