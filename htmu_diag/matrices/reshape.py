"""Cuts: the matrices inside one tensor, each as a range of leading rows to read and a view of what was read.

A cut asks for no more than its own rows of the leading dimension, so that one expert of a stack, or q of a fused
projection, is read alone from a file. Convolutions unfold to out x (in * k * k): the matrix that multiplies a patch.

Tensors and arrays are cut alike: what is asked of them here, both have.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from htmu_diag.matrices.layout import Layout, Part, Splitting

if TYPE_CHECKING:
    from htmu_diag.model.torch_values import Values

__all__ = ["Cut", "cuts"]

Shape = tuple[int, ...]
View = Callable[["Values"], "Values"]


@dataclass(frozen=True)
class Cut:
    """One matrix of a tensor: what it adds to the name, its shape and role, the leading rows to read, and the view."""

    suffix: str
    shape: tuple[int, int]
    role: str
    rows: slice
    view: View


def cuts(shape: Shape, layout: Layout, splitting: Splitting) -> Iterator[Cut]:
    """The matrices inside a tensor of that shape, in order. ``layout.form`` must not be "none"."""
    if layout.form in ("conv", "conv_transposed"):
        yield from _conv(shape, layout, splitting)
    elif layout.form == "conv_last":
        yield from _conv_last(shape, layout, splitting)
    elif layout.form == "stack":
        yield from _stack(shape, layout)
    elif layout.form == "modes":
        yield from _modes(shape, layout)
    elif layout.interleave and splitting.fused:
        yield from _interleaved(shape, layout, bool(splitting.heads))
    else:
        yield from _blocks(shape, layout, splitting)


def _blocks(shape: Shape, layout: Layout, splitting: Splitting) -> Iterator[Cut]:
    transposed = layout.form == "transposed"
    outputs, inputs = shape[::-1] if transposed else shape
    parts = layout.parts if splitting.fused and layout.parts else (Part("", outputs, layout.role, _heads(layout)),)
    start = 0
    for part in parts:
        for suffix, rows in _by_head(part, slice(start, start + part.rows), bool(splitting.heads)):
            size = (rows.stop - rows.start, inputs)
            if transposed:
                yield Cut(suffix, size, part.role, slice(0, inputs), lambda t, rows=rows: t[:, rows].swapaxes(0, 1))  # type: ignore[misc]
            else:
                yield Cut(suffix, size, part.role, rows, lambda t: t)
        start += part.rows


def _interleaved(shape: Shape, layout: Layout, by_head: bool) -> Iterator[Cut]:
    """Parts whose rows alternate: the leading dimension is (groups, rows of each part in a group)."""
    groups, offset = layout.interleave, 0
    block = shape[0] // groups
    for part in layout.parts:
        rows = slice(offset, offset + part.rows // groups)
        if by_head and part.heads and part.heads % groups == 0:
            yield from _alternating_heads(part, rows, block, groups, shape[1])
        else:
            view: View = lambda t, rows=rows: t.reshape(groups, block, -1)[:, rows].reshape(-1, t.shape[1])  # type: ignore[misc]  # noqa: E731
            yield Cut(part.suffix, (part.rows, shape[1]), part.role, slice(0, shape[0]), view)
        offset = rows.stop


def _alternating_heads(part: Part, rows: slice, block: int, groups: int, columns: int) -> Iterator[Cut]:
    """The heads of one part, a few in each group: ``rows`` is the part's place in a group of ``block`` rows."""
    size, width = part.rows // part.heads, len(str(part.heads - 1))
    for head in range(part.heads):
        group, place = divmod(head, part.heads // groups)
        start = group * block + rows.start + place * size
        suffix = f"{part.suffix}.head{head:0{width}d}"
        yield Cut(suffix, (size, columns), part.role, slice(start, start + size), lambda t: t)


def _heads(layout: Layout) -> int:
    return layout.parts[0].heads if len(layout.parts) == 1 else 0


def _by_head(part: Part, rows: slice, split: bool) -> Iterator[tuple[str, slice]]:
    if not split or part.heads < 1 or part.rows % part.heads:
        yield part.suffix, rows
        return
    size, width = part.rows // part.heads, len(str(part.heads - 1))
    for head in range(part.heads):
        start = rows.start + head * size
        yield f"{part.suffix}.head{head:0{width}d}", slice(start, start + size)


def _stack(shape: Shape, layout: Layout) -> Iterator[Cut]:
    count, rows, columns = shape
    width = len(str(count - 1))
    for index in range(count):
        suffix = f".{layout.item}{index:0{width}d}"
        yield Cut(suffix, (rows, columns), layout.role, slice(index, index + 1), lambda t: t[0])


def _modes(shape: Shape, layout: Layout) -> Iterator[Cut]:
    """A map of inputs to outputs for each frequency: the first two dimensions, at each entry of the others."""
    inputs, outputs, count = *shape[:2], math.prod(shape[2:])
    width = len(str(count - 1))
    for mode in range(count):
        view: View = lambda t, mode=mode: t.reshape(*t.shape[:2], -1)[:, :, mode].swapaxes(0, 1)  # type: ignore[misc]  # noqa: E731
        yield Cut(f".{layout.item}{mode:0{width}d}", (outputs, inputs), layout.role, slice(0, inputs), view)


def _conv(shape: Shape, layout: Layout, splitting: Splitting) -> Iterator[Cut]:
    leading, groups, transposed = shape[0], layout.groups, layout.form == "conv_transposed"
    kernel = math.prod(shape[2:])
    outputs, inputs = (groups * shape[1], leading // groups) if transposed else (leading, shape[1])

    def unfold(values: Values) -> Values:  # (leading, second, k...) -> (rows, inputs, kernel)
        flat = values.reshape(*values.shape[:2], -1)
        if not transposed:
            return flat
        blocks = flat.reshape(-1, inputs, *flat.shape[1:])  # (groups read, inputs, out/groups, kernel)
        return blocks.swapaxes(1, 2).reshape(-1, inputs, flat.shape[2])

    whole = slice(0, leading)
    if splitting.conv == "positions":
        yield from _positions((outputs, inputs, kernel), layout.role, whole, unfold)
    elif splitting.conv == "groups" and groups > 1:
        width, step = len(str(groups - 1)), leading // groups
        for g in range(groups):
            rows = slice(g * step, (g + 1) * step)
            size = (outputs // groups, inputs * kernel)
            yield Cut(f".group{g:0{width}d}", size, layout.role, rows, lambda t: _flat(unfold(t)))
    else:
        yield Cut("", (outputs, inputs * kernel), layout.role, whole, lambda t: _flat(unfold(t)))


def _conv_last(shape: Shape, layout: Layout, splitting: Splitting) -> Iterator[Cut]:
    """(kernel..., in, out), unfolded in the order of (out, in, kernel...)."""
    *places, inputs, outputs = shape
    kernel, whole = math.prod(places), slice(0, shape[0])

    def unfold(values: Values) -> Values:  # -> (outputs, inputs, kernel)
        return values.reshape(-1, *values.shape[-2:]).swapaxes(0, 2)

    if splitting.conv == "positions":
        yield from _positions((outputs, inputs, kernel), layout.role, whole, unfold)
    else:
        yield Cut("", (outputs, inputs * kernel), layout.role, whole, lambda t: _flat(unfold(t)))


def _flat(values: Values) -> Values:
    return values.reshape(values.shape[0], -1)


def _positions(sizes: tuple[int, int, int], role: str, whole: slice, unfold: View) -> Iterator[Cut]:
    """One matrix for each position of a kernel. sizes: outputs, inputs, positions."""
    outputs, inputs, kernel = sizes
    width = len(str(kernel - 1))
    for k in range(kernel):
        cut: View = lambda t, k=k: unfold(t)[:, :, k]  # type: ignore[misc]  # noqa: E731
        yield Cut(f".position{k:0{width}d}", (outputs, inputs), role, whole, cut)
