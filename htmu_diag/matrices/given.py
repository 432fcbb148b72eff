"""Tensors that are given rather than found: a state dict, arrays by name (nested or not), a single array."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from htmu_diag.errors import InputError
from htmu_diag.matrices.arrays import tensor_of
from htmu_diag.matrices.state_dict import flat
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.model.torch_values import is_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["given_tensors", "is_given"]

_ALONE = "matrix"  # the name of a single array


def is_given(value: object) -> bool:
    """True for a tensor, an array, or a mapping of names."""
    return is_tensor(value) or isinstance(value, Mapping) or hasattr(value, "__array__")


def given_tensors(value: Any) -> list[StoredTensor]:
    """The tensors of a mapping by name ("params.dense.kernel" where it is nested), or one called "matrix".

    Raises InputError for a value that is no array, and where there is none.

    >>> import torch
    >>> [(tensor.name, tensor.shape) for tensor in given_tensors({"a": {"kernel": torch.zeros(3, 2)}})]
    [('a.kernel', (3, 2))]
    """
    arrays = dict(flat(value, is_array)) if isinstance(value, Mapping) else {_ALONE: value}
    if not arrays:
        raise InputError("no array in this mapping; pass model.state_dict(), or a dict of arrays by name")
    return [_stored(name, tensor_of(array, name)) for name, array in arrays.items()]


def is_array(value: object) -> bool:
    """True for a tensor and for what turns into an array by itself."""
    return is_tensor(value) or hasattr(value, "__array__")


def _stored(name: str, tensor: torch.Tensor) -> StoredTensor:
    from htmu_diag.model.tensors import identity_of, read_rows, refusal_of, shape_of, weight_dtype  # with torch

    refusal = refusal_of(tensor)
    identity = None if refusal else identity_of(tensor)
    load = partial(read_rows, tensor)
    return StoredTensor(name, shape_of(tensor), weight_dtype(tensor), load, identity, refusal)
