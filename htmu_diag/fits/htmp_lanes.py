"""The HTMP likelihoods of many samples at once, each at a scale of its own and under sixteen neighbouring rows.

A lane is one sample, in logarithms, with its aspect ratio. The numbers of many lanes lie behind one another in flat
arrays, and each sum is over one lane in the order of its values: what a lane gets does not depend on the others. The
numbers are those of `Likelihood`, which takes one row at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from htmu_diag.laws.htmp_lattice import Indices
from htmu_diag.laws.htmp_windows import DENSITY, LOWER, UPPER, WIDTH, Windows, windows
from htmu_diag.spectrum import Floats

__all__ = ["Lane", "Lanes"]

_TOGETHER = 4096  # values whose weights are taken at once: they stay in the cache of a core


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

    @cached_property
    def points(self) -> Floats:
        """The values, and where the masses beyond count: those of the unseen eigenvalues and of the cut."""
        return np.append(self.t, [t for _, t in self._beside]) if self._beside else self.t

    @cached_property
    def counts(self) -> Floats | None:
        """Of the points, None for ones: log L is the sum of counts times log density or log mass beyond."""
        if not self._beside:
            return self.masses
        masses = np.ones(self.t.size) if self.masses is None else self.masses
        return np.append(masses, [count for count, _ in self._beside])

    @cached_property
    def _beside(self) -> list[tuple[float, float]]:
        found = [(self.unseen, float(self.t[-1 if self.inverse else 0]))] if self.unseen else []
        return found if self.cut is None else [*found, (-self.known - self.unseen, self.cut)]


@dataclass(frozen=True)
class Lanes:
    """Lanes, those of one aspect ratio behind one another."""

    lanes: Sequence[Lane]

    def slopes(self, which: Indices, numbers: Indices, v: Floats) -> Floats:
        """(3, k, WIDTH): log L of the lanes (ascending) under the rows of their windows at v = log scale, and its first
        two derivatives in v; NaN where a value lies beyond the lattice."""
        found = np.empty((which.size, 3, WIDTH))
        for first, last in self._chunks(which):
            self._fill(found[first:last], which[first:last].tolist(), numbers[first:last], v[first:last])
        found[:, 0] -= self._log_values[which, None]
        found[:, 1] *= -1
        low, high = self._room[:, which]
        found[(v < low) | (v > high)] = np.nan
        return found.transpose(1, 0, 2)

    def _chunks(self, which: Indices) -> Iterator[tuple[int, int]]:
        """Pieces of lanes of one aspect ratio, not too many values in each."""
        first, count, ratio = 0, 0, -1
        for k, lane in enumerate(which.tolist()):
            if k and (self._ratio[lane] != ratio or count > _TOGETHER):
                yield first, k
                first, count = k, 0
            ratio, count = self._ratio[lane], count + self.lanes[lane].t.size
        if which.size:
            yield first, which.size

    def _fill(self, out: Floats, which: list[int], numbers: Indices, v: Floats) -> None:
        """Rows of a sparse matrix are the lanes, its columns the rows of the tables."""
        lanes = [self.lanes[k] for k in which]
        tables = self._tables[self._ratio[which[0]]]
        nodes, m = tables.lattice.nodes, tables.lattice.nodes.size
        sizes = [lane.points.size for lane in lanes]
        for number in set(numbers.tolist()):
            tables.make(number, DENSITY)
        starts = numbers * (3 * tables.size)
        if len(lanes) == 1:
            t = lanes[0].points - v[0]
            at = nodes.searchsorted(t, "right")
            begins = starts
        else:
            t = np.concatenate([lane.points for lane in lanes])
            t -= v.repeat(sizes)
            at = nodes.searchsorted(t, "right")
            begins = starts.repeat(sizes)
        np.minimum(np.maximum(at, 1, out=at), m - 1, out=at)
        width = tables.lattice.widths[at]
        weights = _weights(width, nodes[at] - t)
        at += begins
        if any(lane.counts is not None for lane in lanes):
            weights *= np.concatenate([np.ones(lane.t.size) if lane.counts is None else lane.counts for lane in lanes])
            self._beyond(at, lanes, numbers, tables)
        indices = np.add.outer(np.array([-1, 0, m - 1, m]), at).astype(np.int32)
        ends = np.cumsum([0, *sizes])
        rows = np.append(np.add.outer(np.arange(4) * t.size, ends[:-1]).ravel(), 4 * t.size).astype(np.int32)
        matrix = scipy.sparse.csr_array(
            (weights.ravel(), indices.ravel(), rows), shape=(4 * len(lanes), len(tables.tables))
        )
        (matrix @ tables.tables).reshape(4, len(lanes), 3, WIDTH).sum(axis=0, out=out)

    def _beyond(self, at: Indices, lanes: list[Lane], numbers: Indices, tables: Windows) -> None:
        """Points of masses beyond lie in the tables of these."""
        end = 0
        for lane, number in zip(lanes, numbers.tolist(), strict=True):
            end += lane.points.size
            more = lane.points.size - lane.t.size
            if more:
                what = UPPER if lane.inverse else LOWER
                tables.make(number, what)
                at[end - more : end] += what * tables.size

    @cached_property
    def _log_values(self) -> Floats:
        return np.array([lane.log_values for lane in self.lanes])

    @cached_property
    def _tables(self) -> list[Windows]:
        return [windows(gamma) for gamma in dict.fromkeys(lane.gamma for lane in self.lanes)]

    @cached_property
    def _ratio(self) -> list[int]:
        """Which aspect ratio each lane has."""
        places = {tables.gamma: k for k, tables in enumerate(self._tables)}
        return [places[lane.gamma] for lane in self.lanes]

    @cached_property
    def _room(self) -> Floats:
        """(2, lanes): between which v the values lie on the lattice."""
        nodes = [self._tables[ratio].lattice.nodes for ratio in self._ratio]
        ends = [(lane.t[-1] - on[-1], lane.t[0] - on[0]) for lane, on in zip(self.lanes, nodes, strict=True)]
        return np.array(ends).T


def _weights(width: Floats, rest: Floats) -> Floats:
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
