"""Layouts that a module's type declares: the live counterpart of `guess`, which has only names and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from htmu_diag.matrices.experts import Neighbours, stacked_experts
from htmu_diag.matrices.heads import Heads
from htmu_diag.matrices.layout import Layout
from htmu_diag.matrices.module_heads import heads_of
from htmu_diag.matrices.name_layout import component_of, guess_layout
from htmu_diag.matrices.projections import gate_parts, is_expert, projection

__all__ = ["layout_of"]

Shape = tuple[int, ...]
_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
_GATES = {"LSTM": 4, "LSTMCell": 4, "GRU": 3, "GRUCell": 3, "RNN": 1, "RNNBase": 1, "RNNCell": 1, "RNNCellBase": 1}


def layout_of(
    near: Sequence[nn.Module], full: str, shape: Shape, shapes: Mapping[str, Shape], given: bool | int
) -> Layout:
    """The layout of the parameter called ``full``; ``near`` is its module and those above, nearest first.

    ``given`` is the number of heads where the modules do not tell it (True or False: look for it there).
    """
    owner, heads, local = near[0], heads_of(near, given), full.rpartition(".")[2]
    if len(shape) < 2:
        return Layout()
    if isinstance(owner, _NORMS):
        return Layout("none", reason=f"an elementwise scale of {type(owner).__name__}, not a matrix")
    if len(shape) > 2 and _is_convolution(owner):
        return Layout("conv_transposed" if owner.transposed else "conv", "conv", groups=int(owner.groups))  # type: ignore[arg-type]
    if isinstance(owner, nn.Bilinear) and len(shape) == 3:
        return Layout("flat", "bilinear")
    if len(shape) != 2:
        return guess_layout(full, shape, shapes, heads)
    if hasattr(owner, "num_embeddings"):
        return Layout(role="embedding")
    if isinstance(owner, nn.MultiheadAttention):
        return Layout(role="qkv", parts=projection(full, local, shape[0], shape[1], heads).parts)
    gates = next((_GATES[kind.__name__] for kind in type(owner).__mro__ if kind.__name__ in _GATES), 0)
    if gates and local.startswith("weight_"):
        return _recurrent(gates, local, shape)
    linear = isinstance(owner, nn.Linear)
    experts = stacked_experts(full, shape, Neighbours.of(shapes), heads.experts) if linear and is_expert(full) else None
    if experts is not None and experts.members:
        return experts
    if _is_transposed(owner):
        return _linear("transposed", full, shape[1], shape[0], heads)
    if linear:
        return _linear("matrix", full, shape[0], shape[1], heads)
    return guess_layout(full, shape, shapes, heads)


def _is_convolution(owner: nn.Module) -> bool:
    """Any of torch's convolutions, quantised and scripted ones too, by the two attributes that all of them have."""
    return isinstance(getattr(owner, "transposed", None), bool) and isinstance(getattr(owner, "groups", None), int)


def _linear(form: Any, full: str, outputs: int, inputs: int, heads: Heads) -> Layout:
    found = projection(full, component_of(full), outputs, inputs, heads)
    return Layout(form, found.role, parts=found.parts, interleave=found.interleave)


def _recurrent(gates: int, name: str, shape: Shape) -> Layout:
    if name.startswith("weight_hr"):
        return Layout(role="recurrent projection")
    return Layout(role="recurrent", parts=gate_parts(gates, shape[0]))


def _is_transposed(owner: nn.Module) -> bool:
    """transformers' Conv1D, a linear map that stores (in, out)."""
    return type(owner).__name__ == "Conv1D" and hasattr(owner, "nf") and not isinstance(owner, nn.Conv1d)
