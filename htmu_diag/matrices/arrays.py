"""Arrays of numpy, and what turns into them (JAX, TensorFlow), as tensors.

A masked array is refused where something is masked: a matrix with holes has no spectrum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from htmu_diag.errors import InputError

__all__ = ["dtype_of", "tensor_of"]

_NATIVE = {kind: torch.from_numpy(np.zeros(1, kind)).dtype for kind in ("f2", "f4", "f8", "c8", "c16")}
_NATIVE |= {kind: torch.from_numpy(np.zeros(1, kind)).dtype for kind in ("i1", "i2", "i4", "i8", "u1", "b1")}
_WIDER = {"u2": torch.int32, "u4": torch.int64, "u8": torch.float64, "f16": torch.float64, "f12": torch.float64}


def dtype_of(kind: np.dtype[Any]) -> torch.dtype | None:
    """The dtype in which values of numpy's are read, None for what is no number (text, objects, records)."""
    if kind.name == "bfloat16":  # of ml_dtypes, as JAX has it
        return torch.bfloat16
    code = f"{kind.kind}{kind.itemsize}"
    return _NATIVE.get(code, _WIDER.get(code))


def tensor_of(value: Any, name: str) -> torch.Tensor:
    """A tensor of the values of an array. Raises InputError for what holds no numbers, and for masked entries."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(
            f"{name}: {int(np.ma.getmaskarray(value).sum())} entries are masked; fill them or cut the array"
        )
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: a {type(value).__name__} is no array ({error}); pass numbers") from error
    dtype = dtype_of(array.dtype)
    if dtype is None:
        raise InputError(f"{name}: values of type {array.dtype} are no numbers; pass an array of numbers")
    if dtype is torch.bfloat16:
        return torch.from_numpy(array.astype(np.float32)).to(dtype)
    native = torch.empty(0, dtype=dtype, device="cpu").numpy().dtype
    return torch.from_numpy(np.array(array, dtype=native))  # a copy: never a view that cannot be written
