"""Neighbouring rows of ``htmp_lattice`` side by side, for the likelihoods of all of them at once.

Cubic Hermite interpolation is four weights a value, on the numbers at the two nodes beside it and on their slopes. So
the log likelihood of a sample and its slopes, under sixteen rows, are the sums of its weights at each node times a
table. Values lie on a third of the nodes; tables come in blocks of nodes, and a product is of the blocks in use. Tables
are in single precision, half as much to read: 1e-7 of each block's sum is lost, far less than a search needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from htmu_diag.laws.htmp_lattice import Indices, Lattice, grid_row, lattice
from htmu_diag.spectrum import Floats

__all__ = [
    "BLOCK",
    "DENSITY",
    "LOWER",
    "STARTS",
    "UPPER",
    "WIDTH",
    "WINDOWS",
    "Nodes",
    "Windows",
    "window_about",
    "windows",
]

Singles = npt.NDArray[np.float32]

WIDTH, _STRIDE = 16, 8  # rows of a window, and from one to the next
FIRST, LAST = -28, 37  # places of the rows on the grid in log kappa: from 1e-3 to 1e4
STARTS = np.minimum(np.arange(FIRST, LAST - WIDTH + 1 + _STRIDE, _STRIDE), LAST - WIDTH + 1)
WINDOWS = STARTS.size
DENSITY, LOWER, UPPER = 0, 1, 2  # what a table is of: log density, log mass below, log mass above
BLOCK = 64  # nodes: a block times its weights is a BLAS call of fixed shape, below what is split between threads
# of logarithms of values over their mean, where nearly all lie, and the distance of nodes at an edge
_LOW, _HIGH, _CELL, _ROUNDING = -16.0, 4.0, 4e-4, 1e-12
_FEW, _CROWDED = 1024, 2  # points up to here, or nodes in a cell beyond it, are cheaper to look up one by one
_MOST = 300.0  # of a logarithm before its exponential
_LARGEST = 1e30  # where a law has no density, numbers are beyond single precision


def window_about(places: Indices) -> Indices:
    """The window in whose middle each row of the grid lies, or nearly: three rows about it are in it too."""
    inside = np.maximum(places - FIRST - (WIDTH - _STRIDE) // 2, 0)
    return np.asarray(np.minimum(inside // _STRIDE, WINDOWS - 1))


@dataclass
class Windows:
    """All windows of one aspect ratio; each block of a table is made when it is first asked for, 25 kB.

    A table is of one window and of density or a tail: the nodes in blocks, BLOCK for values, then the same for slopes;
    a quantity under each row and its first two derivatives in t, and the derivatives of these three. Behind the last
    node are zeros.
    """

    gamma: float
    lattice: Lattice
    _tables: dict[tuple[int, int], Singles] = field(default_factory=dict)
    _made: dict[tuple[int, int], bytearray] = field(default_factory=dict)

    def of(self, number: int, what: int, low: int, high: int) -> Singles:
        """Blocks low to high of one window's table, (high - low, 2 BLOCK, 3 WIDTH)."""
        if (number, what) not in self._made:
            blocks = -(-self.lattice.nodes.size // BLOCK)
            self._tables[number, what] = np.empty((blocks, 2 * BLOCK, 3 * WIDTH), np.float32)
            self._made[number, what] = bytearray(blocks)
        table, made = self._tables[number, what], self._made[number, what]
        if 0 in made[low:high]:
            first, last = made.index(0, low, high), made.rindex(0, low, high) + 1
            new = self._blocks(int(STARTS[number]), what, first, last)
            table[first:last] = np.minimum(np.maximum(new, -_LARGEST), _LARGEST)
            made[first:last] = b"\1" * (last - first)
        return table[low:high]

    def beyond(self, t: Floats) -> Indices:
        """(n,): of each point the first node that is larger."""
        nodes = self.lattice.nodes
        if t.size < _FEW:
            return nodes.searchsorted(t, "right")
        (counts, most), cells = self._cells, (t - _LOW) * (1 / _CELL)
        if most > _CROWDED or not (cells.min() >= 0 and cells.max() < counts.size):
            return nodes.searchsorted(t, "right")
        found = counts.take(cells.astype(np.intp)).astype(np.intp)
        for _ in range(most):
            found += nodes.take(found) <= t
        return found

    @cached_property
    def _cells(self) -> tuple[npt.NDArray[np.int16], int]:
        """Of narrow cells of one width the nodes up to each, rounding considered, and the most that one may add."""
        ends = _LOW + _CELL * np.arange(round((_HIGH - _LOW) / _CELL) + 1)
        low, high = (self.lattice.nodes.searchsorted(ends + near, "right") for near in (-_ROUNDING, _ROUNDING))
        return low[:-1].astype(np.int16), int((high[1:] - low[:-1]).max())

    def _blocks(self, first: int, what: int, low: int, high: int) -> Floats:
        """Those of the rows from one place on: (high - low, 2 BLOCK, 3 WIDTH)."""
        begin, nodes = low * BLOCK, self.lattice.nodes
        m, before = min(high * BLOCK, nodes.size) - begin, min(begin, 1)  # a node more on either side, for differences
        some = slice(begin - before, begin + m + 1)
        rows = np.stack([grid_row(self.gamma, first + k).data[:, some] for k in range(WIDTH)], axis=2)
        parts = np.zeros((2, (high - low) * BLOCK, 3, WIDTH))
        with np.errstate(over="ignore", invalid="ignore"):
            orders = _orders(rows, what)
            parts[0, :m] = np.stack(orders, axis=1)[before : before + m]
            parts[1, :m, :2] = parts[0, :m, 1:]
            parts[1, :m, 2] = _slopes(orders[2], nodes[some])[before : before + m]
        table = parts.reshape(2, high - low, BLOCK, 3 * WIDTH).swapaxes(0, 1)
        return np.asarray(table.reshape(high - low, 2 * BLOCK, 3 * WIDTH))


def _slopes(values: Floats, t: Floats) -> Floats:
    """(m, k): of values (m, k) at t, by the parabola through each and its neighbours; at the ends by a straight line.
    As `numpy.gradient` without its other formula for even distances: a block would have other bits than the whole."""
    steps = np.diff(t)[:, None]
    left, right = steps[:-1], steps[1:]
    found = np.empty_like(values)
    found[1:-1] = -right / (left * (left + right)) * values[:-2] + (right - left) / (left * right) * values[1:-1]
    found[1:-1] += left / (right * (left + right)) * values[2:]
    found[0], found[-1] = (values[1] - values[0]) / steps[0], (values[-1] - values[-2]) / steps[-1]
    return found


def _orders(rows: Floats, what: int) -> tuple[Floats, Floats, Floats]:
    """A logarithm and its first two derivatives in t, from rows as `Row.data`."""
    if what == DENSITY:
        return rows[0], rows[1], rows[2]
    tail = rows[3 if what == LOWER else 4]
    rate = np.exp(np.minimum(rows[0] - tail, _MOST)) * (1.0 if what == LOWER else -1.0)
    return tail, rate, rate * (rows[1] - rate)


@lru_cache(maxsize=128)  # some networks have a hundred: with fewer places than ratios, every step makes all anew
def windows(gamma: float) -> Windows:
    """Of this aspect ratio; 1 MB or so."""
    return Windows(gamma, lattice(gamma))


@dataclass(frozen=True)
class Nodes:
    """The nodes of several aspect ratios, those of each behind one another."""

    tables: Sequence[Windows]

    def weights(self, t: Floats, ratios: Indices, sizes: Indices) -> tuple[Indices, Floats]:
        """Of points of many lanes (the ratios, (lanes,), ascending): the nodes on the right of each, (n,), and the
        weights, (4, n), of the values at the nodes on both sides, then of the slopes there."""
        at, begin, nodes = np.empty(t.size, np.intp), 0, self._nodes
        for ratio, end in enumerate(self._ends(ratios, sizes)):
            if end > begin:
                part, these = at[begin:end], self.tables[ratio]
                np.maximum(these.beyond(t[begin:end]), 1, out=part)
                np.minimum(part, these.lattice.nodes.size - 1, out=part)
                part += self.first[ratio]
            begin = end
        return at, _hermite_weights(self._widths.take(at), nodes.take(at) - t)

    def _ends(self, ratios: Indices, sizes: Indices) -> list[int]:
        """Points of each ratio and of those before it."""
        if len(self.tables) == 1:
            return [int(sizes.sum())]
        points = np.append(0, sizes.cumsum())
        ends: list[int] = points[ratios.searchsorted(np.arange(len(self.tables)), "right")].tolist()
        return ends

    @cached_property
    def _lattices(self) -> list[Lattice]:
        return [tables.lattice for tables in self.tables]

    @cached_property
    def first(self) -> list[int]:
        """Of each ratio."""
        return list(accumulate((each.nodes.size for each in self._lattices), initial=0))

    @cached_property
    def _nodes(self) -> Floats:
        return np.concatenate([lattice.nodes for lattice in self._lattices])

    @cached_property
    def _widths(self) -> Floats:
        """Of the intervals that end at each node."""
        return np.concatenate([lattice.widths for lattice in self._lattices])

    @cached_property
    def rows(self) -> Indices:
        """(4, nodes): of tables, values on the left of each node and at it, and slopes there."""
        each = [np.arange(lattice.nodes.size) + np.array([[-1], [0]]) for lattice in self._lattices]
        ends = np.concatenate([2 * BLOCK * (k // BLOCK) + k % BLOCK for k in each], axis=1)
        return np.concatenate([ends, ends + BLOCK])


def _hermite_weights(width: Floats, rest: Floats) -> Floats:
    """(4, n): of cubic Hermite interpolation, of the values at both ends of each interval, then of the slopes."""
    found = np.empty((4, rest.size))
    left, right, turn, turned = found
    rest /= width
    s = 1.0 - rest
    np.multiply(s * s, 3.0 - 2.0 * s, out=right)
    np.subtract(1.0, right, out=left)
    width *= s
    width *= rest
    np.multiply(width, rest, out=turn)
    np.subtract(turn, width, out=turned)
    return found
