"""Reading one tensor of a live model: gathered where sharded, dequantised where quantised, or refused with a reason.

A sharded parameter (DTensor, as FSDP2 and tensor parallelism make it) is gathered (`model.shards`). That is a
collective: every rank has to read the same matrices in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

import torch
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from htmu_diag.model.shards import whole
from htmu_diag.model.wrappers import is_sharded

__all__ = ["claims", "gathered", "identity_of", "is_trained", "read_rows", "refusal_of", "shape_of", "weight_dtype"]

_PLAIN = (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
_LAZY = UninitializedBuffer | UninitializedParameter


def shape_of(tensor: torch.Tensor) -> tuple[int, ...]:
    """The tensor's shape, () where it has none: a lazy module's parameter, a nested tensor."""
    return () if isinstance(tensor, _LAZY) or tensor.is_nested else tuple(tensor.shape)


def is_trained(parameter: torch.Tensor) -> bool:
    """Whether a parameter requires a gradient and has values: it is not lazy, on the meta device, or empty."""
    has_values = not isinstance(parameter, _LAZY) and not parameter.is_meta and parameter.numel() > 0
    return parameter.requires_grad and has_values


def read_rows(tensor: torch.Tensor, rows: slice) -> torch.Tensor:
    """A range of the leading dimension, detached; gathers a sharded tensor, dequantises a quantised one."""
    tensor = gathered(tensor.detach())
    if tensor.is_quantized or type(tensor) not in _PLAIN:
        tensor = tensor.dequantize()
    return tensor[rows] if tensor.ndim else tensor


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a sharded tensor, a collective; any other tensor as it is."""
    return whole(tensor) if is_sharded(tensor) else tensor


def refusal_of(tensor: torch.Tensor) -> str:
    """Why a parameter cannot be read, "" where it can."""
    if isinstance(tensor, _LAZY):
        return "uninitialised: run the lazy module once"
    if tensor.is_nested:
        return "nested (ragged): it has no one shape; pass its members"
    if tensor.is_meta:
        return "on the meta device, without values; materialise it or load a checkpoint"
    if tensor.layout is not torch.strided:
        kind = "sparse" if "sparse" in str(tensor.layout) else "not strided"
        return f"{kind} ({tensor.layout}); pass it dense, a dense copy may not fit in memory"
    if type(tensor).__name__ == "FlatParameter" or getattr(tensor, "_is_flat_param", False):
        return "an FSDP1 flat parameter; use fully_shard (FSDP2), or call inside FSDP.summon_full_params"
    return ""


def claims(tensor: torch.Tensor) -> str:
    """Why a tensor of a file is larger than what is stored of it (expanded, with a stride of 0), "" where it is not.

    A few bytes may claim a shape that no machine can hold; its shape says what reading it would cost.
    """
    plain = type(tensor) in _PLAIN and not (tensor.is_meta or tensor.is_nested)
    if not plain or tensor.layout is not torch.strided:
        return ""
    needed = math.prod(tensor.shape) * tensor.dtype.itemsize
    held = tensor.untyped_storage().nbytes()
    if held >= needed:
        return ""
    return f"expanded: {held:,} bytes are stored of the {needed:,} of its shape; save tensor.contiguous()"


def identity_of(tensor: torch.Tensor) -> Hashable:
    """Equal for two names of the same values in memory, transposed or not: same storage, offset, sides and strides."""
    unusual = tensor.is_meta or tensor.is_nested or tensor.is_quantized or tensor.layout is not torch.strided
    if unusual or type(tensor) not in _PLAIN:
        return id(tensor)
    pointer = tensor.untyped_storage().data_ptr()
    sides = sorted(pair for pair in zip(tensor.shape, tensor.stride(), strict=True) if pair[0] != 1)
    place = (str(tensor.device), tensor.dtype, pointer, tensor.storage_offset(), tuple(sides))
    return place if pointer else id(tensor)


def weight_dtype(tensor: torch.Tensor) -> torch.dtype:
    """The dtype of the values: float32 for a quantised tensor, whose storage holds codes."""
    return torch.float32 if tensor.is_quantized else tensor.dtype
