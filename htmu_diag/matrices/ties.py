"""Tied weights in formats that cannot say so: safetensors and distributed checkpoints hold a tied tensor twice.

Two names of equal shape, dtype and values are taken for one tensor. Values are compared in full, but only where the
cheap samples agree. A tensor of one value (a fresh LoRA factor, all zero) is not tied to its like.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import torch

from htmu_diag.matrices.stored import RELEASE_BYTES, StoredTensor, byte_size

__all__ = ["with_ties"]


def with_ties(tensors: Iterable[StoredTensor]) -> list[StoredTensor]:
    """The tensors, those of equal values with the identity of the first of them."""
    alike: dict[object, list[StoredTensor]] = defaultdict(list)
    return [_tied(tensor, alike[tensor.shape, tensor.dtype, tensor.sample]) for tensor in tensors]


def _tied(tensor: StoredTensor, earlier: list[StoredTensor]) -> StoredTensor:
    if tensor.sample is None or len(tensor.shape) < 2 or tensor.refusal:
        return tensor
    first = next((other for other in earlier if _equal(tensor, other)), None)
    if first is None:
        earlier.append(tensor)
    return replace(tensor, identity=("values", first.name if first else tensor.name))


def _equal(one: StoredTensor, other: StoredTensor) -> bool:
    """Equal in every entry, and not all of one value."""
    step = max(RELEASE_BYTES // max(byte_size(one.shape[1:], one.dtype), 1), 1)
    value, constant = None, True
    for start in range(0, one.shape[0], step):
        left, right = (_codes(tensor.load(slice(start, start + step))) for tensor in (one, other))
        if not torch.equal(left, right):
            return False
        value = left.flatten()[0] if value is None else value
        constant = constant and bool((left == value).all())
    return not constant


def _codes(tensor: torch.Tensor) -> torch.Tensor:
    """The bits of a tensor of up to eight bytes an entry: NaN equals itself, and eighth precision can be compared."""
    whole = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}.get(tensor.dtype.itemsize)
    return tensor.contiguous() if whole is None else tensor.contiguous().view(whole)
