"""The HTMP likelihoods of many samples at once, each at a scale of its own and under sixteen neighbouring rows.

A lane is one sample, in logarithms, with its aspect ratio. The numbers of many lanes lie behind one another in flat
arrays, each sum is over one lane in the order of its values, and each product is of one lane's blocks of nodes: what a
lane gets does not depend on the others. The numbers are those of `Likelihood`, which takes one row at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from htmu_diag.laws.htmp_lattice import Indices, Mask, Row
from htmu_diag.laws.htmp_windows import BLOCK, DENSITY, LOWER, UPPER, WIDTH, Nodes, Windows, windows
from htmu_diag.spectrum import Floats

__all__ = ["Lane", "Lanes", "spans"]

_TOGETHER = 16384  # values whose weights are taken at once: half a megabyte
_ROWS, _COLUMNS = 2 * BLOCK, 3 * WIDTH


@dataclass(frozen=True)
class Lane:
    """t: (n,) ascending logarithms of the values; masses: (n,), None for ones; unseen, inverse, cut (a logarithm):
    as of `Likelihood`."""

    gamma: float
    t: Floats
    masses: Floats | None = None
    unseen: float = 0.0
    inverse: bool = False
    cut: float | None = None

    @cached_property
    def known(self) -> float:
        """Eigenvalues that the values stand for."""
        return float(self.t.size if self.masses is None else self.masses.sum())

    @cached_property
    def log_values(self) -> float:
        """Sum of log x."""
        return float(self.t.sum() if self.masses is None else (self.t * self.masses).sum())

    @property
    def parts(self) -> list[_Part]:
        """log L is the sum of these: the values under the density; at one point each, the masses beyond, of the unseen
        eigenvalues and of the cut."""
        found = [_Part(DENSITY, self.t, self.masses)]
        what = UPPER if self.inverse else LOWER
        if self.unseen:
            found.append(_Part(what, self.t[-1:] if self.inverse else self.t[:1], np.array([self.unseen])))
        if self.cut is not None:
            found.append(_Part(what, np.array([self.cut]), np.array([-self.known - self.unseen])))
        return found


class _Part(NamedTuple):
    """what: of `htmu_diag.laws.htmp_windows`, the table; t: ascending points; counts: of each, None for ones."""

    what: int
    t: Floats
    counts: Floats | None


@dataclass(frozen=True)
class Lanes:
    """Lanes, those of one aspect ratio behind one another."""

    lanes: Sequence[Lane]

    def slopes(self, which: Indices, numbers: Indices, v: Floats) -> Floats:
        """(3, k, WIDTH): log L of the lanes (ascending) under the rows of their windows at v = log scale, and its first
        two derivatives in v; NaN where a value lies beyond the lattice."""
        found = np.empty((which.size, 3, WIDTH))
        for piece in self._pieces(which):
            self._fill(found[piece].reshape(-1, _COLUMNS), which[piece], numbers[piece], v[piece])
        found[:, 0] -= self._log_values[which, None]
        found[:, 1] *= -1
        found[self._outside(which, v)] = np.nan
        return found.transpose(1, 0, 2)

    def _pieces(self, which: Indices) -> list[slice]:
        """With not too many values in each."""
        ends = self.points[which].cumsum()
        if ends[-1] <= _TOGETHER:
            return [slice(0, which.size)]
        begins = [0, *(np.flatnonzero(np.diff(ends // _TOGETHER)) + 1).tolist(), which.size]
        return [slice(a, b) for a, b in pairwise(begins)]

    def _fill(self, out: Floats, which: Indices, numbers: Indices, v: Floats) -> None:
        """Sums of weights at each node, block by block, times the tables."""
        parts, some = self._of(which)
        many, sizes = self._many[which], self._sizes[parts]
        numbers = numbers.repeat(many)
        at, weights = self._weights(some, v.repeat(self.points[which]), self._ratio[parts], sizes)
        nodes, ends = self._nodes.rows.take(at, axis=1), sizes.cumsum()
        low, high = nodes[0, ends - sizes] // _ROWS, nodes[1, ends - 1] // _ROWS + 1
        blocks = high - low
        last = blocks.cumsum()
        nodes += ((last - high) * _ROWS).repeat(sizes)
        summed = np.bincount(nodes.ravel(), weights.ravel(), int(last[-1]) * _ROWS)
        sums = summed.astype(np.float32).reshape(-1, 1, _ROWS)
        products, starts = np.empty((len(sums), 1, _COLUMNS), np.float32), last - blocks
        each = (self._ratio[parts], numbers, self._what[parts], low, high, starts, last)
        tables, matmul = self._tables, np.matmul
        for ratio, number, what, a, b, begin, end in zip(*(one.tolist() for one in each), strict=True):
            matmul(sums[begin:end], tables[ratio].of(number, what, a, b), products[begin:end])
        begins = starts[many.cumsum() - many]
        np.add.reduceat(products[:, 0], begins, axis=0, out=out)

    def under(self, rows: Sequence[tuple[Row, Floats]], which: Indices, v: Floats) -> Floats:
        """(3, k): what `slopes` gives, in double precision, of each lane under a row of its own, which comes with the
        third derivatives of log g, (m,)."""
        found = np.empty((which.size, 3))
        for piece in self._pieces(which):
            found[piece] = self._under(rows[piece], which[piece], v[piece])
        for k, lane in enumerate(which.tolist()):
            for part in self._parts[lane][1:]:
                beyond = rows[k][0].tail_at(part.t.item() - v.item(k), above=part.what == UPPER)
                found[k] += part.counts.item() * np.array(beyond)
        found[:, 0] -= self._log_values[which]
        found[:, 1] *= -1
        found[self._outside(which, v)] = np.nan
        return found.T

    def _under(self, rows: Sequence[tuple[Row, Floats]], which: Indices, v: Floats) -> Floats:
        """(k, 3) sums over the values."""
        parts = self._first[which]
        sizes, ratios = self._sizes[parts], self._ratio[parts]
        at, weights = self._weights(spans(self._begins[parts], sizes), v.repeat(sizes), ratios, sizes)
        ends = sizes.cumsum()
        low, high = at[ends - sizes] - 1, at[ends - 1] + 1
        many = high - low
        last = 2 * many.cumsum()
        begins, slopes = last - 2 * many, many.repeat(sizes)
        at += (begins - low).repeat(sizes)
        sums = np.bincount(np.stack([at - 1, at, at + slopes - 1, at + slopes]).ravel(), weights.ravel(), int(last[-1]))
        low, high = (nodes - np.array(self._nodes.first)[ratios] for nodes in (low, high))
        products = np.empty((which.size, 3, 2))
        each = zip(rows, *(one.tolist() for one in (low, high, begins, last)), strict=True)
        for k, ((row, third), a, b, begin, end) in enumerate(each):
            both = sums[begin:end].reshape(2, -1)
            np.matmul(row.data[:3, a:b], both.T, products[k])
            products[k, 0, 1] = np.dot(third[a:b], both[1])
        return np.asarray(products[:, :, 0] + products[:, [1, 2, 0], 1])

    def _weights(self, some: Indices | slice, v: Floats, ratios: Indices, sizes: Indices) -> tuple[Indices, Floats]:
        """Of these points, `Nodes.weights`, times their masses."""
        at, weights = self._nodes.weights(self._t[some] - v, ratios, sizes)
        if self._counts is not None:
            weights *= self._counts[some]
        return at, weights

    def _outside(self, which: Indices, v: Floats) -> Mask:
        """Whether a value lies beyond the lattice."""
        low, high = self._room[:, which]
        return np.asarray((v < low) | (v > high))

    def _of(self, which: Indices) -> tuple[Indices | slice, Indices | slice]:
        """Which parts and which points are those of these lanes."""
        if which.size == self._many.size and (which[1:] > which[:-1]).all():
            return slice(None), slice(None)
        parts = which if self._many.size == self._sizes.size else spans(self._first[which], self._many[which])
        return parts, spans(self._begins[parts], self._sizes[parts])

    @cached_property
    def _parts(self) -> list[list[_Part]]:
        return [lane.parts for lane in self.lanes]

    @cached_property
    def _many(self) -> Indices:
        """Parts of each lane; the numbers of all parts lie behind one another."""
        return np.array([len(parts) for parts in self._parts])

    @cached_property
    def _first(self) -> Indices:
        return self._many.cumsum() - self._many

    @cached_property
    def _what(self) -> Indices:
        return np.array([part.what for parts in self._parts for part in parts])

    @cached_property
    def _sizes(self) -> Indices:
        return np.array([part.t.size for parts in self._parts for part in parts])

    @cached_property
    def _begins(self) -> Indices:
        return self._sizes.cumsum() - self._sizes

    @cached_property
    def points(self) -> Indices:
        """Of each lane."""
        return np.add.reduceat(self._sizes, self._first)

    @cached_property
    def _t(self) -> Floats:
        return np.concatenate([part.t for parts in self._parts for part in parts])

    @cached_property
    def _counts(self) -> Floats | None:
        parts = [part for parts in self._parts for part in parts]
        if all(part.counts is None for part in parts):
            return None
        return np.concatenate([np.ones(part.t.size) if part.counts is None else part.counts for part in parts])

    @cached_property
    def _log_values(self) -> Floats:
        return np.array([lane.log_values for lane in self.lanes])

    @cached_property
    def _tables(self) -> list[Windows]:
        return [windows(gamma) for gamma in dict.fromkeys(lane.gamma for lane in self.lanes)]

    @cached_property
    def _ratio(self) -> Indices:
        """Which aspect ratio each part has."""
        places = {tables.gamma: k for k, tables in enumerate(self._tables)}
        return np.array([places[lane.gamma] for lane in self.lanes]).repeat(self._many)

    @cached_property
    def _nodes(self) -> Nodes:
        return Nodes(self._tables)

    @cached_property
    def _room(self) -> Floats:
        """(2, lanes): between which v the values lie on the lattice."""
        ends = [windows(lane.gamma).lattice.nodes[[-1, 0]] for lane in self.lanes]
        return (np.array([lane.t[[-1, 0]] for lane in self.lanes]) - np.array(ends)).T


def spans(begins: Indices, sizes: Indices) -> Indices:
    """So many whole numbers from each on, those of each behind one another."""
    ends = sizes.cumsum()
    return np.asarray(np.arange(ends[-1]) + (begins + sizes - ends).repeat(sizes))
