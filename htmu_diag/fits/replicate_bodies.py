"""Tails of a replicate that begin below xmin: which of them has the smallest KS distance.

Below xmin a replicate has the data's own values, each as often as random numbers fall into its cell (`Cells`), so a
candidate's size, slope and distance at one point of each replicate are one array (replicates, values below xmin) of
slices. What a replicate's own tail has reached (``replicate_tails``) is the distance to beat: a point or two leave a
few candidates in each replicate. These are kept flat, of all samples together, in the order of the replicates; as in
``scan`` the one with the lowest bound is measured in every point, and where it deviates most bounds the others.

Logarithms are over xmin, times alpha - 1: the unit in which the tails of all samples are alike. Exponents are of double
precision, distances of single: a replicate's distance is only compared with others that are apart by a hundredth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.replicate_tails import OwnTails, deviate
from htmu_diag.fits.replicates import FAR, Cells, Indices, Singles
from htmu_diag.fits.scan import log_gaps
from htmu_diag.fits.scans import lowest
from htmu_diag.spectrum import Floats

__all__ = ["Body", "improve"]

_MANY = 4096  # values whose logarithms are added up in double precision
_ROWS = 128  # replicates measured at once


class Body:
    """The values of replicates of one sample, (n,) ascending; start: index of xmin; rate: alpha - 1."""

    column: Indices | None = None

    def __init__(self, values: Floats, start: int, rate: float, tails: OwnTails, cells: Cells) -> None:
        first = values.size - start + 1
        self.tails = tails
        gaps = log_gaps(values[: start + 1])[::-1]  # from xmin downward
        gaps *= -rate
        logs = np.cumsum(gaps)
        self.gaps = gaps
        self.steps = cells.counts[:, first - 1 : -1]
        sums = self.steps * (gaps.astype(np.float32) if gaps.size < _MANY else gaps)
        np.cumsum(sums, axis=1, out=sums)
        sums -= tails.sums[:, None].astype(sums.dtype)
        self.counts, self.shares = cells.counts[:, first:], cells.shares[:, first:].copy()
        self.new, self.held, self.far = cells.new[:, first:], cells.held[:, first:], cells.far[:, first:]
        self.part, self.at = cells.part[:, first:], cells.at[first:] - first
        last = np.append(gaps[1:] < 0, True)
        if not last.all():
            self.column = np.flatnonzero(last)
            logs, sums = logs.take(self.column), self._join(sums, self.column)
        self.logs, self.sums = logs.astype(np.float32), sums.astype(np.float32, copy=False)

    def _join(self, sums: npt.NDArray[Any], last: Indices) -> npt.NDArray[Any]:
        """Equal values share a cell: the last of their columns counts them all."""
        self.counts, self.shares = self.counts.take(last, axis=1), self.shares.take(last, axis=1)
        self.new = np.diff(self.counts, axis=1, prepend=self.tails.singles) > 0
        self.held, self.far = self.counts * self.new, FAR * ~self.new
        self.at = np.full(last.size, -1)
        return np.asarray(sums.take(last, axis=1))

    def rates(self, rows: Indices, columns: Indices) -> Floats:
        """Slopes of some candidates, to double precision."""
        sizes = self.counts[rows, columns]
        columns = columns if self.column is None else self.column.take(columns)
        steps = self.steps.take(rows, axis=0) * self.gaps
        steps[np.arange(self.gaps.size) > columns[:, None]] = 0
        return np.asarray(sizes / (self.tails.sums.take(rows) - steps.sum(axis=1)))

    def candidates(self, best: Singles) -> tuple[Indices, Indices, Singles, Singles, Singles, Singles]:
        """Row, column, logarithm, slope (negative), one over the size, and bound, of the candidates that may be below
        ``best`` (rows,)."""
        slopes = self.counts / self.sums
        bounds = self.tails.last - self.logs
        bounds *= slopes
        np.exp(bounds, out=bounds)
        bounds -= self.tails.singles * self.shares
        np.abs(bounds, out=bounds)
        inner = int(np.searchsorted(self.at, 0))
        if inner < self.at.size:
            off = slopes[:, inner:] * (self.logs[self.at[inner:]] - self.logs[inner:])
            np.exp(off, out=off)
            np.subtract(self.part[:, inner:], off, out=off)
            np.maximum(bounds[:, inner:], off, out=bounds[:, inner:])
        able = bounds < best[:, None]
        able &= self.new
        for row in self.tails.short:  # the two largest values begin no tail
            able[row] &= np.cumsum(self.new[row]) + self.tails.sizes[row] > 2
        places = able.ravel().nonzero()[0]
        row = ((places + 0.5) * (1 / able.shape[1])).astype(np.intp)  # a tenth of the time of a division of integers
        column = places - able.shape[1] * row
        return row, column, self.logs.take(column), slopes.take(places), self.shares.take(places), bounds.take(places)

    @property
    def width(self) -> int:
        """Points of a replicate, at most."""
        return int(self.tails.logs.shape[1] + self.logs.size)

    def put_points(self, logs: Singles, counts: Singles) -> None:
        """Logarithms of all values of the replicates, and how many are as large, into rows of these; a value that one
        does not have lies beyond all, with none as large."""
        longest = self.tails.logs.shape[1]
        logs[:, :longest], counts[:, :longest] = self.tails.logs, self.tails.ranks
        np.add(self.far, self.logs, out=logs[:, longest : self.width])
        counts[:, longest : self.width] = self.held
        logs[:, self.width :], counts[:, self.width :] = FAR, 0


@dataclass(frozen=True)
class _Flat:
    """Candidates of all bodies in the order of their rows, which are numbered through."""

    row: Indices
    column: Indices
    log: Singles
    slope: Singles
    share: Singles
    bound: Singles

    def take(self, places: Indices) -> _Flat:
        return _Flat(*(each.take(places) for each in vars(self).values()))

    def raise_bounds(self, log: Singles, count: Singles) -> None:
        """By a value of each candidate's replicate and how many are as large."""
        log -= self.log
        count *= self.share
        deviate(log, self.slope, count)
        np.maximum(self.bound, log, out=self.bound)

    def measured(self, logs: Singles, counts: Singles) -> tuple[Singles, Singles, Singles]:
        """KS distances of candidates, with the logarithm and count of the value where each is."""
        off, seen = logs.take(self.row, axis=0), counts.take(self.row, axis=0)
        off -= self.log[:, None]
        seen *= self.share[:, None]
        deviate(off, self.slope[:, None], seen)
        furthest = off.argmax(axis=1)
        point = furthest + logs.shape[1] * self.row
        return off.max(axis=1), logs.take(point), counts.take(point)


def improve(bodies: Sequence[Body], best: Singles, rates: Floats) -> None:
    """``best``: (rows of all bodies,) KS distances, and ``rates``: 1/(alpha - 1) times those of the fits, put right
    where a candidate is better."""
    edges = np.cumsum([0, *(body.tails.sizes.size for body in bodies)])
    spans = [slice(a, b) for a, b in pairwise(edges)]
    with np.errstate(divide="ignore", invalid="ignore"):  # where the two largest values would begin a tail
        found = [body.candidates(best[span]) for body, span in zip(bodies, spans, strict=True)]
    row, *others = (np.concatenate(each) for each in zip(*found, strict=True))
    row += np.repeat(edges[:-1], [each[0].size for each in found])
    alive, won = _Flat(row, *others), np.full(best.size, -1)
    logs, counts = np.empty((2, best.size, max(body.width for body in bodies)), np.float32)
    for body, span in zip(bodies, spans, strict=True):
        body.put_points(logs[span], counts[span])
    while alive.row.size:
        lengths = np.bincount(alive.row)
        lengths = lengths[lengths > 0]
        chosen = lowest(alive.bound, lengths)
        tried = alive.take(chosen)
        parts = [tried.take(np.arange(a, min(a + _ROWS, chosen.size))) for a in range(0, chosen.size, _ROWS)]
        distance, log, count = (
            np.concatenate(each) for each in zip(*(part.measured(logs, counts) for part in parts), strict=True)
        )
        better = (distance < best.take(tried.row)).nonzero()[0]
        best[tried.row[better]], won[tried.row[better]] = distance[better], tried.column[better]
        which = np.repeat(np.arange(chosen.size), lengths)
        alive.raise_bounds(log.take(which), count.take(which))
        alive.bound[chosen] = np.inf
        alive = alive.take((alive.bound < best.take(alive.row)).nonzero()[0])
    for body, span in zip(bodies, spans, strict=True):
        rows = (won[span] >= 0).nonzero()[0]
        rates[span][rows] = body.rates(rows, won[span][rows])
