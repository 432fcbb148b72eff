"""Matrices of a live module: every parameter, under its clean name, with the layout that its module's type declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.nn.utils.parametrize import ParametrizationList

from htmu_diag.matrices.effective import Effective, effective_weights
from htmu_diag.matrices.entry import Entry, Filter, inventory
from htmu_diag.matrices.layout import Conv, Layout, Splitting
from htmu_diag.matrices.lora import with_products
from htmu_diag.matrices.matrix import Inventory
from htmu_diag.matrices.names import clean_paths
from htmu_diag.matrices.owner import layout_of, weight_dtype
from htmu_diag.matrices.tensors import identity_of, read_rows, refusal_of

__all__ = ["matrices", "module_entries"]


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
    counted once; a parametrised weight (weight_norm, spectral_norm) is the effective one; LoRA pairs give A, B and B A.

    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 3), torch.nn.LayerNorm(3))
    >>> [(m.name, m.shape) for m in matrices(net)]
    [('0.weight', (3, 8))]
    """
    splitting, wanted = Splitting(conv, heads, fused), Filter(include, exclude, min_side)
    return inventory(with_products(module_entries(module, heads)), splitting, wanted)


def module_entries(module: torch.nn.Module, heads: bool | int = False) -> Iterator[Entry]:
    """Every parameter of a module as an entry, duplicates included, effective weights beside the parts they replace."""
    tree = dict(module.named_modules(remove_duplicate=False))
    paths = clean_paths(module)
    shapes = {_join(paths[path], name): tuple(p.shape) for path, owner in tree.items() for name, p in _own(owner)}
    for path, owner in tree.items():
        parent = tree.get(path.rpartition(".")[0]) if path else None
        computed = effective_weights(owner)
        weights = [(item.name, item.compute(), item) for item in computed]
        for name, weight, item in weights:
            full = _join(paths[path], name)
            yield _entry(full, weight, layout_of(owner, parent, full, tuple(weight.shape), shapes, heads), item)
        parts = {part: item.name for item in computed for part in item.parts}
        for name, parameter in _own(owner):
            full, shape = _join(paths[path], name), tuple(parameter.shape)
            if name in parts or isinstance(owner, ParametrizationList):
                whole = parts.get(name, path.rpartition(".")[2])
                yield _entry(
                    full, parameter, Layout("none", reason=f"a part of the parametrised {whole}, measured whole")
                )
            else:
                yield _entry(full, parameter, layout_of(owner, parent, full, shape, shapes, heads))


def _own(owner: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    return owner.named_parameters(recurse=False, remove_duplicate=False)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _entry(name: str, tensor: torch.Tensor, layout: Layout, computed: Effective | None = None) -> Entry:
    """An entry that holds the tensor, or recomputes it when read where it is an effective weight."""
    shape, dtype = tuple(tensor.shape), weight_dtype(tensor)
    if computed is not None:
        return Entry(name, shape, dtype, layout, lambda rows: read_rows(computed.compute(), rows))
    refusal = refusal_of(tensor)
    return Entry(name, shape, dtype, layout, lambda rows: read_rows(tensor, rows), identity_of(tensor), refusal)
