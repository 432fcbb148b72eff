"""Tied weights in formats that cannot say so: safetensors and distributed checkpoints hold a tied tensor twice.

Two names of equal shape, dtype and values are taken for one tensor. Values are compared by a digest of all of them, but
only where the cheap samples agree: each such tensor is read once, however many are alike. A tensor of one value (a
fresh LoRA factor, all zero) is not tied to its like.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import replace

import numpy as np

from htmu_diag.matrices.stored import RELEASE_BYTES, StoredTensor, byte_size
from htmu_diag.model.torch_values import on_host

__all__ = ["with_ties"]


def with_ties(tensors: Iterable[StoredTensor]) -> list[StoredTensor]:
    """The tensors, those of equal values with the identity of the first of them."""
    listed = list(tensors)
    alike: dict[Hashable, list[int]] = defaultdict(list)
    for place, tensor in enumerate(listed):
        if tensor.sample is not None and len(tensor.shape) > 1 and 0 not in tensor.shape and not tensor.refusal:
            alike[tensor.shape, tensor.dtype, tensor.sample].append(place)
    for places in alike.values():
        if len(places) > 1:
            _tie(listed, places)
    return listed


def _tie(listed: list[StoredTensor], places: list[int]) -> None:
    first: dict[bytes, str] = {}
    for place in places:
        digest = _digest(listed[place])
        if digest:
            name = first.setdefault(digest, listed[place].name)
            listed[place] = replace(listed[place], identity=("values", name))


def _digest(tensor: StoredTensor) -> bytes:
    """Of the bits of all entries, so that NaN equals itself; empty for a tensor of one value."""
    step = max(RELEASE_BYTES // max(byte_size(tensor.shape[1:], tensor.dtype), 1), 1)
    found, value, constant = hashlib.blake2b(), None, True
    for start in range(0, tensor.shape[0], step):
        part = np.ascontiguousarray(on_host(tensor.load(slice(start, start + step)))).reshape(-1)
        codes = part.view(np.uint8).reshape(part.size, -1)  # (entries, bytes of an entry)
        found.update(codes.data)
        value = codes[0].copy() if value is None else value
        constant = constant and bool((codes == value).all())
    return b"" if constant else found.digest()
