"""The power law of a replicate's own tail values: its KS distance from every start, kept.

Above xmin a replicate is a sample of the fitted law, and the largest m of its values, in logarithms over the m-th, are
H_(m-1) - H_(j-1) over alpha - 1 (``replicates``). The fit to them has the slope (alpha - 1) m/(e_1 + ... + e_(m-1)), so
alpha cancels in its KS distance: that depends on the row of exponential numbers and on m alone, whatever the data, xmin
and n. Distances that were measured, and bounds of the others, are kept and serve every spectrum with the same seed.
Over xmin the logarithms of a sample of n are H_n + log(n_tail/n) - H_(j-1): that xmin falls into the gap between the
last value and the next one says something of the gap, which is longer than another.

As in ``scan``: the candidate with the lowest bound is measured, and the point where it deviates most bounds the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from htmu_diag.fits.replicates import FAR, Indices, Ordered, Singles
from htmu_diag.spectrum import Floats

__all__ = ["BLOCK", "FEWEST", "OwnTails", "ReplicateTails", "at_known_start", "deviate"]

FEWEST = 3  # a tail of two points fits anything
BLOCK = 8  # ranks whose sums are one step of those of all
_PROBES = (0.06, 0.14, 0.25, 0.38, 0.5, 0.62, 0.75, 0.87)  # shares of a tail where its fit is tried first
_STEP = 64  # columns by which the tables grow


@dataclass(frozen=True)
class OwnTails:
    """What is known of replicates with so many tail values each, in the unit of their law, 1/(alpha - 1).

    sizes: (rows,) of the tails; best: the smallest KS distance of their tails, infinite where there is none; rates:
    slopes of these fits, NaN there; last: the smallest logarithm over xmin; short: rows of less than two values.
    logs: (longest, rows) over xmin, the largest value first, and lower than any below xmin; ranks: of these values, and
    beyond the tail those in the cells. first: ranks that all rows have, a multiple of ``BLOCK``; sums: (rows,) of the
    logarithms of so many values over the smallest of them.
    """

    sizes: Indices
    best: Singles
    rates: Floats
    last: Singles
    logs: Singles
    ranks: Singles
    first: int
    sums: Singles
    short: Indices

    @classmethod
    def of(
        cls, ordered: Ordered, starts: Floats, sizes: Indices, in_cells: Singles, best: Singles, counts: Indices
    ) -> OwnTails:
        """starts: (rows,), height of xmin, which is between those of the last value of the tail and of the next one;
        in_cells: (n, rows) ranks there; best, counts: as of `ReplicateTails.best`."""
        longest, each = max(int(sizes.max()), 1), np.arange(sizes.size)
        rates = np.full(sizes.size, np.nan)
        any_ = counts.nonzero()[0]
        rates[any_] = counts[any_] / ordered.sums[any_, counts[any_] - 1]
        logs = np.maximum(starts.astype(np.float32) - ordered.singles[:, :longest].T, 0)
        last = logs[np.maximum(sizes, 1) - 1, each]
        last[sizes == 0] = FAR
        rank = np.arange(1, longest + 1, dtype=np.float32)[:, None]
        beyond = rank > sizes
        logs[beyond] = -FAR
        ranks = np.where(beyond, in_cells[:longest], rank)
        first = int(sizes.min()) // BLOCK * BLOCK
        sums = ordered.sums[:, max(first - 1, 0)].astype(np.float32)
        return cls(sizes, best, rates, last, logs, ranks, first, sums, (sizes < 2).nonzero()[0])

    def rows(self, span: slice) -> OwnTails:
        """Some of the rows, as views."""
        if span.stop - span.start >= self.sizes.size:
            return self
        short = (self.sizes[span] < 2).nonzero()[0]
        tables = {name: table[..., span] for name, table in vars(self).items() if name not in ("short", "first")}
        return OwnTails(**tables, first=self.first, short=short)


def at_known_start(ordered: Ordered, size: int) -> tuple[Singles, Floats]:
    """KS distances and slopes, in the unit of the law, of the fits to ``size`` values of the law from its start on."""
    slopes = size / ordered.sums[:, size]
    off = ordered.singles[:, size : size + 1] - ordered.singles[:, :size]
    seen = np.tile(np.arange(1, size + 1, dtype=np.float32) / np.float32(size), (off.shape[0], 1))
    deviate(off, -slopes[:, None].astype(np.float32), seen)
    return np.asarray(off.max(axis=1)), slopes


class ReplicateTails:
    """Tables (rows, columns): column k is the tail of the largest k + 3 values."""

    def __init__(self, ordered: Ordered) -> None:
        self.ordered = ordered
        rows = len(ordered.heights)
        self.bounds = np.zeros((rows, 0), np.float32)
        self.measured = np.zeros((rows, 0), bool)
        self.slopes, self.shares = self.bounds, np.zeros(0, np.float32)

    def best(self, sizes: Indices) -> tuple[Singles, Indices]:
        """Smallest KS distance of each row's tails up to its size (rows,), and how many values that tail has; infinite
        and 0 for a size below three. Of equal distances, that of the fewest values."""
        width = max(int(sizes.max(initial=0)) - FEWEST + 1, 0)
        self._grow(width)
        found = np.full(sizes.size, np.inf, np.float32), np.zeros(sizes.size, np.intp)
        row = np.flatnonzero(sizes >= FEWEST)
        bounds = self.bounds[row, :width]
        bounds[np.arange(FEWEST, width + FEWEST) > sizes[row, None]] = np.inf
        while row.size:
            lowest = bounds.argmin(axis=1)
            known = self.measured[row, lowest]
            done = row[known]
            found[0][done], found[1][done] = self.bounds[done, lowest[known]], lowest[known] + FEWEST
            left = np.flatnonzero(~known)
            row, lowest, bounds = row.take(left), lowest.take(left), bounds.take(left, axis=0)
            if row.size:
                self._measure(row, lowest, bounds)
        return found

    def _grow(self, width: int) -> None:
        old = self.bounds.shape[1]
        if width <= old:
            return
        last = self.ordered.heights.shape[1] - 1
        sizes = np.arange(FEWEST, min(-(-width // _STEP) * _STEP, last - FEWEST + 1) + FEWEST)
        self.slopes = (-sizes / self.ordered.sums[:, FEWEST - 1 : sizes[-1]]).astype(np.float32)
        self.shares = np.reciprocal(sizes.astype(np.float32))
        new = np.zeros((len(self.bounds), sizes.size - old), np.float32)
        for share in _PROBES:
            ranks = np.maximum((share * sizes[old:]).astype(np.intp), 1)
            off = self.ordered.singles[:, FEWEST - 1 + old : sizes[-1]] - self.ordered.singles.take(ranks - 1, axis=1)
            off *= self.slopes[:, old:]
            np.exp(off, out=off)
            off -= ranks.astype(np.float32) * self.shares[old:]
            np.maximum(new, np.abs(off, out=off), out=new)
        self.bounds = np.concatenate((self.bounds, new), axis=1)
        self.measured = np.concatenate((self.measured, np.zeros(new.shape, bool)), axis=1)

    def _measure(self, row: Indices, column: Indices, bounds: Singles) -> None:
        """One tail in each of some rows, and what its furthest point says of the others; also into ``bounds``."""
        heights, each, width = self.ordered.singles, np.arange(row.size), bounds.shape[1]
        own = heights[row, column + (FEWEST - 1)]
        off = own[:, None] - heights[row, : int(column.max()) + FEWEST - 1]
        seen = np.arange(1, off.shape[1] + 1, dtype=np.float32) * self.shares[column][:, None]
        deviate(off, self.slopes[row, column][:, None], seen)
        furthest = off.argmax(axis=1)
        distance = off[each, furthest]
        off = heights[row, FEWEST - 1 : FEWEST - 1 + width] - heights[row, furthest][:, None]
        seen = (furthest[:, None] + 1).astype(np.float32) * self.shares[:width]
        deviate(off, self.slopes[row, :width], seen)
        np.maximum(bounds, off, out=bounds)
        bounds[each, column] = distance
        self.bounds[row, :width] = np.maximum(self.bounds[row, :width], off, out=off)
        self.bounds[row, column], self.measured[row, column] = distance, True


def deviate(off: Singles, slopes: Singles, seen: Singles) -> None:
    """Logarithms from a tail's start on, into what its fit is off by there; nothing before the start."""
    none = np.zeros(slopes.shape, np.float32)  # numpy takes three times as long with a number in its place
    np.maximum(off, none, out=off)
    off *= slopes
    np.exp(off, out=off)
    none += 1
    off -= np.minimum(seen, none, out=seen)
    np.abs(off, out=off)
