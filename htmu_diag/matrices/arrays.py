"""Arrays of numpy, and what turns into them (JAX, TensorFlow), as arrays of the types that torch has, or as tensors.

A masked array is refused where something is masked: a matrix with holes has no spectrum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from htmu_diag.arguments import masked_entries
from htmu_diag.errors import InputError
from htmu_diag.matrices.stored_type import StoredType, stored_type
from htmu_diag.model.torch_values import as_tensor, is_tensor
from htmu_diag.narrow import Array

if TYPE_CHECKING:
    import torch

__all__ = ["numbers_of", "tensor_of", "type_of"]

_NATIVE = {kind: np.dtype(kind).name for kind in ("f2", "f4", "f8", "c8", "c16", "i1", "i2", "i4", "i8", "u1", "b1")}
_WIDER = {"u2": "int32", "u4": "int64", "u8": "float64", "f16": "float64", "f12": "float64"}


def type_of(kind: np.dtype[Any]) -> StoredType | None:
    """The type in which values of numpy's are read, None for what is no number (text, objects, records)."""
    if kind.name == "bfloat16":  # of ml_dtypes, as JAX has it
        return stored_type("bfloat16")
    code = f"{kind.kind}{kind.itemsize}"
    name = _NATIVE.get(code, _WIDER.get(code))
    return None if name is None else stored_type(name)


def numbers_of(value: Any, name: str) -> Array:
    """The values of an array, in memory of their own. Raises InputError for what holds no numbers, and for masked
    entries."""
    if count := masked_entries(value):
        raise InputError(f"{name}: {count} entries are masked; fill them or cut the array")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name}: a {type(value).__name__} is no array ({error}); pass numbers") from error
    kind = type_of(array.dtype)
    if kind is None:
        raise InputError(f"{name}: values of type {array.dtype} are no numbers; pass an array of numbers")
    if kind.name == "bfloat16":
        return np.array(array).view(np.uint16).view(kind.numpy)
    return np.array(array, dtype=kind.numpy)  # a copy: never a view that cannot be written


def tensor_of(value: Any, name: str) -> torch.Tensor:
    """A tensor as it is, without its gradient, or one of the values of an array. Errors as of `numbers_of`."""
    return value.detach() if is_tensor(value) else as_tensor(numbers_of(value, name))
