"""Matrices of a checkpoint, read from disk one at a time, under the names and with the roles of the live model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htmu_diag.arguments import PATH, checked, either, having, instance, optional
from htmu_diag.extras import Late
from htmu_diag.matrices.arguments import CUT
from htmu_diag.matrices.experts import Neighbours
from htmu_diag.matrices.files import stored_tensors
from htmu_diag.matrices.given import given_tensors, is_given
from htmu_diag.matrices.heads import Heads, heads_beside
from htmu_diag.matrices.inventory import Entry, Filter, inventory
from htmu_diag.matrices.layout import Conv, Layout, Splitting
from htmu_diag.matrices.lora import with_products
from htmu_diag.matrices.lora_scale import stored_scale
from htmu_diag.matrices.matrix import Inventory
from htmu_diag.matrices.name_layout import by_dtype, guess_layout
from htmu_diag.matrices.not_weights import codes_by_module, holds_two_values, part_of_codes
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.matrices.stored_weights import with_effective_weights
from htmu_diag.matrices.ties import with_ties
from htmu_diag.model.arguments import MODULE
from htmu_diag.model.names import clean_name

if TYPE_CHECKING:
    import torch
else:
    torch = Late("torch")

__all__ = ["checkpoint_matrices"]

_DEEPEST = 500  # parts of a name; names of modules in use have fewer than 20


@checked(
    path=either(PATH, instance("a dict of tensors", Mapping), having("one array", "shape", "dtype")),
    like=optional(MODULE),
    **CUT,
)
def checkpoint_matrices(
    path: str | Path | Mapping[str, Any] | torch.Tensor,
    *,
    like: torch.nn.Module | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    min_side: int = 1,
    conv: Conv = "unfold",
    heads: bool | int = False,
    fused: bool = True,
) -> Inventory:
    """All matrices at a path, with the options of `matrices`; no weight is read before it is asked for.

    path: ``.safetensors`` (one file, an index of shards, a folder), ``.pt``/``.pth``/``.bin`` (read without running
        code; a nested state dict is found), ``.npz``, or a ``torch.distributed.checkpoint`` folder; content decides,
        not the ending. Or what they hold: a state dict, arrays by name (nested or not), one array.
    like: a model with the same names (one on the meta device will do) whose module types tell what names and shapes
        cannot: transposed and grouped convolutions, numbers of heads, unusual fused projections.
    heads: their number is taken from ``like``, or from a ``config.json`` beside the weights.

    Tensors of equal values are taken for one tied tensor where the format cannot tell ties. Scales of LoRA pairs come
    from ``adapter_config.json`` or from ``alpha`` beside the factors.

    Raises InputError for a path that is missing, damaged, or would need code to be run.
    """
    place = None if is_given(path) else Path(path)  # type: ignore[arg-type]
    tensors = _by_name(given_tensors(path) if place is None else with_ties(stored_tensors(place)))
    layouts = {} if like is None else _layouts(like, heads)
    beside = Heads() if place is None else heads_beside(place)
    known = beside if isinstance(heads, bool) else Heads(heads, experts=beside.experts)
    entries = with_products(_entries(tensors, layouts, known), stored_scale(place, tensors))
    return inventory(entries, Splitting(conv, heads, fused), Filter(include, exclude, min_side))


def _layouts(like: torch.nn.Module, heads: bool | int) -> dict[str, Layout]:
    from htmu_diag.matrices.module import module_entries  # with torch

    return {entry.name: entry.layout for entry in module_entries(like, heads)}


def _by_name(tensors: Sequence[StoredTensor]) -> dict[str, StoredTensor]:
    """Tensors under clean names; names that differ only by what is cleaned away are kept as they are."""
    tensors = [_shortened(tensor, place) for place, tensor in enumerate(tensors)]
    uses = Counter(clean_name(tensor.name) for tensor in tensors)
    renamed = (replace(t, name=clean_name(t.name)) if uses[clean_name(t.name)] == 1 else t for t in tensors)
    return {tensor.name: tensor for tensor in renamed}


def _shortened(tensor: StoredTensor, place: int) -> StoredTensor:
    """A name that no module has costs itself: those who compare parts of names would take for ever over it."""
    if tensor.name.count(".") < _DEEPEST:
        return tensor
    refusal = f"its name has {tensor.name.count('.') + 1:,} parts, which is refused; rename it"
    return replace(tensor, name=f"{tensor.name[:40]}... (tensor {place})", refusal=refusal)


def _entries(tensors: Mapping[str, StoredTensor], layouts: Mapping[str, Layout], heads: Heads) -> Iterator[Entry]:
    shapes = Neighbours({name: tensor.shape for name, tensor in tensors.items()})
    effective = list(with_effective_weights(tensors))
    codes = codes_by_module(tensor for tensor, reason in effective if not reason)
    for tensor, part in effective:
        name = tensor.name
        reason = part or part_of_codes(tensor, codes)
        layout = layouts.get(name) or _guess(tensor, shapes, heads)
        if reason and len(tensor.shape) > 1:
            layout = Layout("none", reason=reason)
        yield Entry(name, tensor.shape, tensor.dtype, layout, tensor.load, tensor.identity, tensor.refusal)


def _guess(tensor: StoredTensor, shapes: Mapping[str, tuple[int, ...]], heads: Heads) -> Layout:
    if len(tensor.shape) < 2:
        return Layout()
    found = by_dtype(guess_layout(tensor.name, tensor.shape, shapes, heads), tensor.dtype, tensor.shape)
    if found.role == "bare" and "lora" not in tensor.name and holds_two_values(tensor):
        return Layout("none", reason="two values in all entries: a mask, not a weight")
    return found
