"""Layouts from a name and a shape alone: for checkpoints, and for parameters of modules that torch does not know.

A checkpoint does not say which kernel is transposed or grouped, nor how many heads there are; ``like=model`` of
`checkpoint_matrices` takes the layouts from a model instead (one on the meta device will do).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from htmu_diag.matrices.experts import Neighbours, stacked_experts
from htmu_diag.matrices.heads import Heads
from htmu_diag.matrices.layout import Layout
from htmu_diag.matrices.not_weights import no_weight
from htmu_diag.matrices.projections import gate_parts, is_expert, projection

if TYPE_CHECKING:
    from htmu_diag.matrices.stored_type import NumberType

__all__ = ["by_dtype", "component_of", "guess_layout"]

Shape = tuple[int, ...]
_RECURRENT = re.compile(r"weight_(ih|hh|hr)(_l\d+)?(_reverse)?$")
_BIASES = re.compile(r"b(\d+|_\w+)?")  # what many call the biases of stacked maps w1, w2
_LARGEST_KERNEL = 31  # a last dimension up to this is read as a kernel: wider 1-D kernels are rare, and experts wider
_BY_HEAD = ("q", "k", "v", "o", "r")  # XLNet's (width, heads, size): one linear map each
# scales of quantised weights -> the tensor of codes beside them
_SCALES = {"scales": "qweight", "weight_scale": "weight", "weight_scale_inv": "weight", "weight_scale_2": "weight"}


def guess_layout(name: str, shape: Shape, shapes: Mapping[str, Shape], heads: Heads) -> Layout:
    """The layout of the tensor called ``name``, of two or more dimensions; ``shapes`` holds its neighbours' by name."""
    path, _, last = name.rpartition(".")
    reason = _no_matrix(name, shape, shapes)
    if reason:
        return Layout("none", reason=reason)
    if _RECURRENT.search(last):
        return _recurrent(name, shape, shapes)
    experts = stacked_experts(name, shape, Neighbours.of(shapes), heads.experts) if len(shape) < 4 else None
    if experts is not None:
        return experts
    if len(shape) == 2:
        return _matrix(name, shape, path, heads, module=last == "weight")
    if len(shape) == 3 and last in _BY_HEAD and _attends(path, shape, shapes):
        return Layout("flat", projection(name, last, shape[0], shape[0], heads).role)
    if len(shape) > 2 and (last == "kernel" or (_is_haikus(path, last) and not _is_kernel(name, shape))):
        return _channels_last(name, shape, path.rpartition(".")[2], heads)
    return Layout("conv", "conv") if _is_kernel(name, shape) else _stack(name)


def by_dtype(layout: Layout, dtype: NumberType, shape: Shape, *, convolution: bool = False) -> Layout:
    """Complex kernels that no module of torch declares hold a map for each frequency, (in, out, modes...).

    convolution: whether a module of torch declares it one.
    """
    bare = (layout.form == "stack" and layout.role == "bare") or (layout.form == "conv" and not convolution)
    if not (bare and dtype.is_complex and len(shape) > 2 and min(shape[:2]) > 1):
        return layout
    return Layout("modes", "spectral", item="mode")


def _no_matrix(name: str, shape: Shape, shapes: Mapping[str, Shape]) -> str:
    """Why a tensor of two or more dimensions is no weight, "" where it may be one."""
    path, _, last = name.rpartition(".")
    codes = f"{path}.{_SCALES.get(last, '')}".lstrip(".")
    if last in _SCALES and codes in shapes:
        return f"scales of the quantised {codes}"
    if _BIASES.fullmatch(last) and _beside_stack(path, shape, shapes):
        return "biases, one row each: nothing is multiplied"
    return no_weight(name, shape)


def _beside_stack(path: str, shape: Shape, shapes: Mapping[str, Shape]) -> bool:
    """Whether a stack of as many maps lies beside rows (count, width), with one of its sides of that width."""
    beside = (other for name, other in shapes.items() if name.rpartition(".")[0] == path and len(other) == 3)
    return any(len(shape) == 2 and other[0] == shape[0] and shape[1] in other[1:] for other in beside)


def _is_kernel(name: str, shape: Shape) -> bool:
    """True for a convolution's kernel; three dimensions may also be a stack of experts, and so may more under a name
    that is no module's, unless the last ones are those of a kernel: few, and no more than outputs.
    """
    if name.rpartition(".")[2] != "weight" and len(shape) > 3:
        return shape[0] >= max(shape[2:]) and _all_small(shape[2:]) and not is_expert(name)
    if name.rpartition(".")[2] != "weight" or (len(shape) == 3 and is_expert(name)):
        return False
    return len(shape) > 3 or shape[-1] <= _LARGEST_KERNEL or "conv" in name


def _is_haikus(path: str, last: str) -> bool:
    """Haiku calls every weight ``w``, after a module that is called a convolution: ``net/~/conv2_d_1/w``."""
    leaf, slash, end = last.rpartition("/")
    owner = leaf if slash else path
    return end == "w" and "conv" in re.split(r"[./~]", owner)[-1]


def _attends(path: str, shape: Shape, shapes: Mapping[str, Shape]) -> bool:
    """Whether query, key and value of one width lie beside each other: a lone ``v`` beside ``w`` is any stack."""
    beside = (shapes.get(f"{path}.{last}".lstrip("."), ()) for last in _BY_HEAD[:3])
    return all(len(other) == 3 and other[0] == shape[0] for other in beside)


def _channels_last(name: str, shape: Shape, owner: str, heads: Heads) -> Layout:
    """A kernel as Flax and Keras store it, (positions..., in, out), also the map out of heads (heads, size, width);
    query, key and value are (width, heads, size) there.
    """
    role = projection(name, owner, shape[-1], shape[0], heads).role
    if len(shape) == 3 and role != "linear":
        return Layout("flat", role)
    if not _all_small(shape[:-2]):
        return _stack(name)
    return Layout("conv_last", "linear" if owner == "out" else "conv")


def _all_small(sides: Shape) -> bool:
    return max(sides) <= _LARGEST_KERNEL


def _stack(name: str) -> Layout:
    kind = "expert" if is_expert(name) else "bare"
    return Layout("stack", kind, item="expert" if kind == "expert" else "slice")


def component_of(name: str) -> str:
    """The part of a parameter's name that says what it does: "c_attn" of "h.0.attn.c_attn.weight".

    >>> component_of("layers.0.self_attn.q_proj.base_layer.weight"), component_of("attn.in_proj_weight")
    ('q_proj', 'in_proj_weight')
    """
    parts = [part for part in name.split(".") if part not in ("weight", "base_layer")]
    return parts[-1] if parts else ""


def _matrix(name: str, shape: Shape, path: str, heads: Heads, module: bool) -> Layout:
    """A 2-D tensor. GPT-2's linear maps are stored (in, out); their shapes show it except where they are square."""
    (rows, columns), component = shape, component_of(name)
    mlp = path.split(".")[-2:-1] == ["mlp"]
    stored_transposed = (component in ("c_attn", "c_fc") and rows < columns) or (
        component == "c_proj" and mlp and rows > columns
    )
    outputs, inputs = (columns, rows) if stored_transposed else (rows, columns)
    found = projection(name, component, outputs, inputs, heads)
    role = found.role if module or found.role != "linear" else "bare"
    return Layout("transposed" if stored_transposed else "matrix", role, parts=found.parts, interleave=found.interleave)


def _recurrent(name: str, shape: Shape, shapes: Mapping[str, Shape]) -> Layout:
    """LSTM or GRU: weight_hh is (gates * H, H), or (4 H, projection) beside weight_hr (projection, H)."""
    if "weight_hr" in name:
        return Layout(role="recurrent projection")
    hidden = shapes.get(name.replace("weight_ih", "weight_hh"), shape)
    projected = shapes.get(name.replace("weight_ih", "weight_hr").replace("weight_hh", "weight_hr"))
    size = projected[1] if projected else hidden[1]
    gates, rest = divmod(shape[0], size)
    return Layout(role="recurrent", parts=gate_parts(gates, shape[0]) if rest == 0 else ())
