"""Layouts that a module's type declares: the live counterpart of `guess`, which has only names and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from htmu_diag.matrices.guess import component_of, guess_layout, interleave_of
from htmu_diag.matrices.layout import Layout, Part
from htmu_diag.matrices.projections import Heads, gate_parts, projection

__all__ = ["heads_of", "layout_of"]

Shape = tuple[int, ...]
_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_GATES: tuple[tuple[type[nn.Module], int], ...] = ((nn.LSTM, 4), (nn.LSTMCell, 4), (nn.GRU, 3), (nn.GRUCell, 3))
_QUERY_HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "nhead", "heads")
_KEY_HEADS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads")


def layout_of(
    near: Sequence[nn.Module], full: str, shape: Shape, shapes: Mapping[str, Shape], given: bool | int
) -> Layout:
    """The layout of the parameter called ``full``; ``near`` is its module and those above, nearest first.

    ``given`` is the number of heads where the modules do not tell it (True or False: look for it there).
    """
    owner, heads = near[0], heads_of(near, given)
    component, local = component_of(full), full.rpartition(".")[2]
    if isinstance(owner, _NORMS):
        return Layout("none", reason=f"an elementwise scale of {type(owner).__name__}, not a matrix")
    if len(shape) > 2 and isinstance(owner, _CONVS + _TRANSPOSED):
        form = "conv_transposed" if isinstance(owner, _TRANSPOSED) else "conv"
        return Layout(form, "conv", groups=int(owner.groups))  # type: ignore[arg-type]
    if len(shape) != 2:
        return guess_layout(full, shape, shapes, heads)
    if isinstance(owner, _EMBEDDINGS):
        return Layout(role="embedding")
    if isinstance(owner, nn.MultiheadAttention):
        return Layout(role="qkv", parts=projection(local, shape[0], shape[1], heads)[1])
    if isinstance(owner, nn.RNNBase | nn.RNNCellBase):
        return _recurrent(owner, local, shape)
    if _is_transposed(owner):
        return _linear("transposed", component, shape[1], shape[0], heads)
    if isinstance(owner, nn.Linear):
        return _linear("matrix", component, shape[0], shape[1], heads)
    return guess_layout(full, shape, shapes, heads)


def _linear(form: Any, component: str, outputs: int, inputs: int, heads: Heads) -> Layout:
    role, parts = projection(component, outputs, inputs, heads)
    return Layout(form, role, parts=parts, interleave=interleave_of(component, heads, bool(parts)))


def _recurrent(owner: nn.Module, name: str, shape: Shape) -> Layout:
    if name.startswith("weight_hr"):
        return Layout(role="recurrent projection")
    gates = next((count for kind, count in _GATES if isinstance(owner, kind)), 1)
    parts: tuple[Part, ...] = gate_parts(gates, shape[0])
    return Layout(role="recurrent", parts=parts)


def _is_transposed(owner: nn.Module) -> bool:
    """transformers' Conv1D, a linear map that stores (in, out)."""
    return type(owner).__name__ == "Conv1D" and hasattr(owner, "nf") and not isinstance(owner, nn.Conv1d)


def heads_of(modules: Sequence[nn.Module], given: bool | int = False) -> Heads:
    """Attention heads told by the modules or their ``config``, nearest first; ``given`` (not a bool) overrides them."""
    if given is not True and given is not False:
        return Heads(int(given))
    holders = [
        holder for module in modules for holder in (module, getattr(module, "config", None)) if holder is not None
    ]
    return Heads(_first(holders, _QUERY_HEADS), _first(holders, _KEY_HEADS))


def _first(holders: Sequence[object], names: Sequence[str]) -> int:
    found = (getattr(holder, name, 0) for holder in holders for name in names)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), 0)
