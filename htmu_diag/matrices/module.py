"""Matrices of a live module: every parameter, under its clean name, with the layout that its module's type declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.nn.utils.parametrize import ParametrizationList

from htmu_diag.arguments import checked
from htmu_diag.errors import MeasurementError
from htmu_diag.matrices.arguments import CUT
from htmu_diag.matrices.effective import UNCOMPUTABLE, Effective, effective_weights
from htmu_diag.matrices.experts import Neighbours
from htmu_diag.matrices.inventory import Entry, Filter, inventory
from htmu_diag.matrices.layout import Conv, Layout, Splitting
from htmu_diag.matrices.lora import with_products
from htmu_diag.matrices.lora_merged import live_holds
from htmu_diag.matrices.lora_scale import live_scale
from htmu_diag.matrices.matrix import Inventory, Matrix
from htmu_diag.matrices.module_layout import layout_of
from htmu_diag.matrices.name_layout import by_dtype
from htmu_diag.model.arguments import MODULE
from htmu_diag.model.names import clean_paths
from htmu_diag.model.tensors import identity_of, read_rows, refusal_of, shape_of, weight_dtype

__all__ = ["is_plain", "matrices", "module_entries"]

_BUFFER = Layout("none", reason="a buffer, which is not trained")


@checked(module=MODULE, **CUT)
def matrices(
    module: torch.nn.Module,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    min_side: int = 1,
    conv: Conv = "unfold",
    heads: bool | int = False,
    fused: bool = True,
) -> Inventory:
    """All matrices of a module, in the order of ``named_parameters``, none of them copied until it is read.

    include, exclude: globs on clean names; a glob that matches a leading path ("blocks.0") selects all below it.
    min_side: least smaller side; smaller matrices are skipped, with that reason.
    conv: "unfold" (out x in k k, default: the matrix that multiplies a patch), "positions" (one out x in matrix for
        each kernel position) or "groups" (one unfolded matrix for each group of a grouped convolution).
    heads: split q, k and v by head; an int gives the number of heads where the module does not tell it.
    fused: split fused q, k, v projections and recurrent gates (default); False keeps them whole.

    Every parameter of two or more dimensions gives matrices or a reason in ``Inventory.skipped``. Tied weights are
    counted once; a parametrised weight (weight_norm, spectral_norm) is the effective one; LoRA pairs give A, B, s B A
    and W + s B A.

    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 3), torch.nn.LayerNorm(3))
    >>> [(m.name, m.shape) for m in matrices(net)]
    [('0.weight', (3, 8))]
    """
    splitting, wanted = Splitting(conv, heads, fused), Filter(include, exclude, min_side)
    holds = live_holds(module, clean_paths(module))
    return inventory(with_products(module_entries(module, heads), live_scale(module), holds), splitting, wanted)


def is_plain(matrix: Matrix) -> bool:
    """Whether a matrix of a module is a part of one tensor of it, which nothing computes."""
    load = getattr(matrix.load, "load", None)
    return isinstance(load, partial) and load.func is read_rows


def module_entries(module: torch.nn.Module, heads: bool | int = False) -> Iterator[Entry]:
    """Every parameter as an entry, duplicates included, effective weights beside their parts, buffers with a reason."""
    tree = dict(module.named_modules(remove_duplicate=False))
    paths = clean_paths(module)
    shapes = Neighbours(
        {_join(paths[path], name): shape_of(p) for path, owner in tree.items() for name, p in _own(owner)}
    )
    for path, owner in tree.items():
        near = _nearest(tree, path)
        computed = effective_weights(owner)
        for item in computed:
            full = _join(paths[path], item.name)
            yield _effective(full, item, partial(layout_of, near, full, shapes=shapes, given=heads))
        parts = _parts(path, owner, computed)
        for name, tensor in _own(owner):
            if any(item.name == name for item in computed):
                continue  # codes, measured as the weight they stand for
            full, whole = _join(paths[path], name), parts.get(name)
            known = Layout("none", reason=f"a part of the parametrised {whole}, measured whole") if whole else None
            yield _plain(full, tensor, known or _layout(near, full, tensor, shapes, heads))
        yield from (_plain(_join(paths[path], name), tensor, _BUFFER) for name, tensor in _saved_buffers(owner))


def _layout(
    near: Sequence[torch.nn.Module], full: str, tensor: torch.Tensor, shapes: Mapping[str, tuple[int, ...]], heads: Any
) -> Layout:
    found = layout_of(near, full, shape_of(tensor), shapes, heads)
    return by_dtype(
        found, tensor.dtype, shape_of(tensor), convolution=isinstance(near[0], torch.nn.modules.conv._ConvNd)
    )


def _nearest(tree: Mapping[str, torch.nn.Module], path: str) -> list[torch.nn.Module]:
    """A module and those above it, nearest first: one of them knows the number of attention heads."""
    steps = path.split(".") if path else []
    above = [".".join(steps[:end]) for end in range(len(steps), -1, -1)]
    return [tree[name] for name in above if name in tree]


def _parts(path: str, owner: torch.nn.Module, computed: Sequence[Effective]) -> dict[str, str]:
    """Own parameters that only serve to compute a weight -> that weight's name."""
    if isinstance(owner, ParametrizationList):
        return {name: path.rpartition(".")[2] for name, _ in _own(owner)}
    return {part: item.name for item in computed for part in item.parts}


def _own(owner: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return owner.named_parameters(recurse=False, remove_duplicate=False)


def _saved_buffers(owner: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Buffers of two or more dimensions that a checkpoint of the module would hold."""
    for name, buffer in owner.named_buffers(recurse=False):
        if name not in owner._non_persistent_buffers_set and len(shape_of(buffer)) > 1:
            yield name, buffer


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _plain(name: str, tensor: torch.Tensor, layout: Layout) -> Entry:
    load = partial(read_rows, tensor)
    return Entry(name, shape_of(tensor), weight_dtype(tensor), layout, load, identity_of(tensor), refusal_of(tensor))


def _effective(name: str, item: Effective, layout: Callable[..., Layout]) -> Entry:
    """An entry that computes the weight again when it is read, so that none is kept."""

    def load(rows: slice) -> torch.Tensor:
        return read_rows(item.compute(), rows)

    try:
        weight = item.compute()
    except MeasurementError:  # of shards that could not be gathered now: no property of the weight
        raise
    except UNCOMPUTABLE as error:
        refusal = f"its parametrisation fails outside the model ({type(error).__name__}: {error})"
        return Entry(name, (), torch.float32, Layout(), load, refusal=refusal)
    shape = shape_of(weight)
    return Entry(name, shape, weight_dtype(weight), layout(shape=shape), load, refusal=refusal_of(weight))
