"""Layouts from a name and a shape alone: for checkpoints, and for parameters of modules that torch does not know.

A checkpoint does not say which kernel is transposed or grouped, nor how many heads there are; ``like=model`` of
`checkpoint_matrices` takes the layouts from a model instead (one on the meta device will do).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from htmu_diag.matrices.layout import Layout
from htmu_diag.matrices.projections import INTERLEAVED, Heads, gate_parts, is_expert, projection

__all__ = ["component_of", "guess_layout", "interleave_of"]

Shape = tuple[int, ...]
_RECURRENT = re.compile(r"weight_(ih|hh|hr)(_l\d+)?(_reverse)?$")
_LARGEST_KERNEL = 31  # a last dimension up to this is read as a kernel: wider 1-D kernels are rare, and experts wider
_CAUSAL_MASK = re.compile(r"(attn|attention)\.(masked_)?bias$")


def guess_layout(name: str, shape: Shape, shapes: Mapping[str, Shape], heads: Heads) -> Layout:
    """The layout of the tensor called ``name``, of two or more dimensions; ``shapes`` holds its neighbours' by name."""
    path, _, last = name.rpartition(".")
    if _CAUSAL_MASK.search(name):
        return Layout("none", reason="a causal mask, not a weight")
    if _RECURRENT.search(last):
        return _recurrent(name, shape, shapes)
    if len(shape) == 2:
        return _matrix(component_of(name), shape, path, heads, module=last == "weight")
    if last != "weight" or (len(shape) == 3 and (is_expert(name) or shape[-1] > _LARGEST_KERNEL)):
        return Layout(
            "stack", role="expert" if is_expert(name) else "bare", item="expert" if is_expert(name) else "slice"
        )
    return Layout("conv", role="conv")


def component_of(name: str) -> str:
    """The part of a parameter's name that says what it does: "c_attn" of "h.0.attn.c_attn.weight".

    >>> component_of("layers.0.self_attn.q_proj.base_layer.weight"), component_of("attn.in_proj_weight")
    ('q_proj', 'in_proj_weight')
    """
    parts = [part for part in name.split(".") if part not in ("weight", "base_layer")]
    return parts[-1] if parts else ""


def _matrix(component: str, shape: Shape, path: str, heads: Heads, module: bool) -> Layout:
    """A 2-D tensor. GPT-2's linear maps are stored (in, out); their shapes show it except where they are square."""
    rows, columns = shape
    mlp = path.split(".")[-2:-1] == ["mlp"]
    stored_transposed = (component in ("c_attn", "c_fc") and rows < columns) or (
        component == "c_proj" and mlp and rows > columns
    )
    outputs, inputs = (columns, rows) if stored_transposed else (rows, columns)
    role, parts = projection(component, outputs, inputs, heads)
    known = module or role != "linear"
    return Layout(
        "transposed" if stored_transposed else "matrix",
        role if known else "bare",
        parts=parts,
        interleave=interleave_of(component, heads, bool(parts)),
    )


def interleave_of(component: str, heads: Heads, split: bool) -> int:
    """Heads by which a fused projection interleaves q, k and v; 0 where it does not."""
    return heads.query if component in INTERLEAVED and split else 0


def _recurrent(name: str, shape: Shape, shapes: Mapping[str, Shape]) -> Layout:
    """LSTM or GRU: weight_hh is (gates * H, H), or (4 H, projection) beside weight_hr (projection, H)."""
    if "weight_hr" in name:
        return Layout(role="recurrent projection")
    hidden = shapes.get(name.replace("weight_ih", "weight_hh"), shape)
    projected = shapes.get(name.replace("weight_ih", "weight_hr").replace("weight_hh", "weight_hr"))
    size = projected[1] if projected else hidden[1]
    gates, rest = divmod(shape[0], size)
    return Layout(role="recurrent", parts=gate_parts(gates, shape[0]) if rest == 0 else ())
