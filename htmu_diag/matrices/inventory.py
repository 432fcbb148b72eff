"""From tensors with layouts to an inventory: the one place that decides what becomes a matrix and what is skipped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from htmu_diag.matrices.layout import Layout, Splitting
from htmu_diag.matrices.matrix import Inventory, Matrix, Skipped
from htmu_diag.matrices.reshape import Cut, cuts
from htmu_diag.model.names import selected
from htmu_diag.model.torch_values import detached
from htmu_diag.safe_text import safe_text

if TYPE_CHECKING:
    import torch

    from htmu_diag.matrices.stored_type import NumberType
    from htmu_diag.model.torch_values import Values

__all__ = ["Entry", "Filter", "inventory"]

_MOST = 65_536  # matrices of one tensor; the largest known stacks (experts, modes of an operator) have some thousands


@dataclass(frozen=True)
class Entry:
    """One named tensor of a module or a file.

    load: reads a range of its leading dimension; called once for each matrix cut from it.
    identity: equal for two names of one tensor (tied weights); None where it has no other name.
    refusal: why it cannot be read (sparse, meta, ...), "" where it can.
    factors: reads B and A of a low-rank product B A; None for an ordinary tensor.
    """

    name: str
    shape: tuple[int, ...]
    dtype: NumberType
    layout: Layout
    load: Callable[[slice], Values]
    identity: Hashable = None
    refusal: str = ""
    factors: Callable[[], tuple[torch.Tensor, torch.Tensor]] | None = None


@dataclass(frozen=True)
class Filter:
    """Which matrices are wanted: globs on names (none: all) and the least smaller side."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    min_side: int = 1

    def refusal(self, name: str, shape: tuple[int, int]) -> str:
        """Why a matrix is left out, "" where it is wanted."""
        if self.include and not selected(name, self.include):
            return f"matches none of include={list(self.include)}"
        if selected(name, self.exclude):
            return f"matches exclude={list(self.exclude)}"
        side = min(shape)
        return f"its smaller side {side} is below min_side={self.min_side}" if side < self.min_side else ""


def inventory(entries: Iterable[Entry], splitting: Splitting, wanted: Filter) -> Inventory:
    """Cut every entry into matrices, in order; each tensor that gives none has a reason in ``skipped``."""
    found: list[Matrix] = []
    skipped: list[Skipped] = []
    owners: dict[Hashable, str] = {}
    for entry in map(_plain_stack, entries):
        reason = _refusal(entry, owners)
        if reason:
            skipped.append(Skipped(_shown(entry.name), entry.shape, safe_text(reason, longest=None)))
            continue
        owners.setdefault(entry.identity, entry.name)
        matrices = list(itertools.islice(_matrices(entry, splitting), _MOST + 1))
        if len(matrices) > _MOST:
            reason = (
                f"more than {_MOST:,} matrices in one tensor, which is refused; pass those that matter by themselves"
            )
            skipped.append(Skipped(_shown(entry.name), entry.shape, reason))
            continue
        for matrix in matrices:
            reason = wanted.refusal(matrix.name, matrix.shape)
            if reason:
                skipped.append(Skipped(matrix.name, matrix.shape, reason))
            else:
                found.append(matrix)
    return Inventory(tuple(found), tuple(skipped))


def _refusal(entry: Entry, owners: dict[Hashable, str]) -> str:
    if entry.refusal:
        return entry.refusal
    if entry.shape == (0,):
        return "empty, saved without gathering its parts; with DeepSpeed run zero_to_fp32.py and pass what it writes"
    if len(entry.shape) < 2:
        return "one-dimensional: a bias, a scale or a single vector"
    if 0 in entry.shape:
        return f"empty: shape {entry.shape}"
    if entry.layout.form == "none":
        return entry.layout.reason
    if not (entry.dtype.is_floating_point or entry.dtype.is_complex) or "float4" in str(entry.dtype):
        return f"{entry.dtype} values are codes or indices, not weights; dequantise them first"
    owner = owners.get(entry.identity) if entry.identity is not None else None
    return f"tied to {owner}, which is measured once under that name" if owner else ""


def _matrices(entry: Entry, splitting: Splitting) -> Iterator[Matrix]:
    for cut in cuts(entry.shape, entry.layout, splitting):
        name, load = _shown(entry.name), _Reader(entry.load, cut)
        yield Matrix(name + cut.suffix, cut.shape, cut.role, name, load, entry.factors)


def _shown(name: str) -> str:
    """The name as it goes on: to tags, tables, files and other processes, none of which take every character."""
    return safe_text(name, longest=None)


@dataclass(frozen=True)
class _Reader:
    load: Callable[[slice], Values]
    cut: Cut

    def __call__(self) -> Values:
        return self.cut.view(detached(self.load(self.cut.rows)))


def _plain_stack(entry: Entry) -> Entry:
    """A bare tensor without dimensions of 1, as one matrix or a stack of them: (1, tokens, width) is one matrix."""
    if entry.layout.form == "stack" and entry.layout.members:
        return _unstacked(entry, entry.layout.members)
    if entry.layout.form == "flat":
        return _reshaped(entry, (entry.shape[0], math.prod(entry.shape[1:])), replace(entry.layout, form="matrix"))
    if entry.layout.form != "stack" or (1 not in entry.shape and len(entry.shape) == 3):
        return entry
    sides = tuple(side for side in entry.shape if side != 1)
    shape = (math.prod(sides[:-2]), *sides[-2:]) if len(sides) > 3 else sides
    layout = replace(entry.layout, form="matrix") if len(shape) == 2 else entry.layout
    return _reshaped(entry, shape, layout)


def _unstacked(entry: Entry, count: int) -> Entry:
    """A matrix of members one below the other, or side by side, as (members, rows, columns).

    Only the rows asked for are read; of members side by side those are all.
    """
    rows, columns = entry.shape
    if entry.layout.across:
        shape = (count, rows, columns // count)
        whole = (rows, *shape[::2])
        return replace(
            entry, shape=shape, load=lambda members: entry.load(slice(None)).reshape(whole).swapaxes(0, 1)[members]
        )
    rows //= count

    def load(members: slice) -> Values:
        first, stop, _ = members.indices(count)
        return entry.load(slice(first * rows, stop * rows)).reshape(-1, rows, columns)

    return replace(entry, shape=(count, rows, columns), load=load)


def _reshaped(entry: Entry, shape: tuple[int, ...], layout: Layout) -> Entry:
    return replace(entry, shape=shape, layout=layout, load=lambda rows: entry.load(slice(None)).reshape(shape)[rows])
