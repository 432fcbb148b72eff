"""The best of the candidates that are left in many replicates, each of which is measured in all its values.

As in ``scan`` the candidate with the lowest bound is measured, and where it deviates most bounds the others. They are
kept flat, of all samples together, in the order of the replicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from htmu_diag.fits.replicate_tails import deviate
from htmu_diag.fits.replicates import Indices, Singles
from htmu_diag.fits.scans import lowest

__all__ = ["Flat", "Points", "search"]

_ROWS = 128  # replicates measured at once
_FEW = 256  # candidates that are all measured at once


@dataclass(frozen=True)
class Flat:
    """Candidates in the order of their rows, with their columns, and (4, candidates): logarithm, slope (negative), one
    over the size, and a lower bound of the KS distance."""

    row: Indices
    column: Indices
    of: Singles

    def take(self, places: Indices) -> Flat:
        """Some of them."""
        return Flat(self.row.take(places), self.column.take(places), self.of.take(places, axis=1))

    def raise_bounds(self, log: Singles, count: Singles) -> None:
        """By a value of each candidate's replicate and how many are as large."""
        own, slope, share, bound = self.of
        log -= own
        count *= share
        deviate(log, slope, count)
        np.maximum(bound, log, out=bound)


@dataclass(frozen=True)
class Points:
    """(rows, points): logarithms of all values of a replicate, and how many are as large; a value that one does not
    have lies beyond all, with none as large. middle: where the point of the first column is."""

    logs: Singles
    counts: Singles
    middle: int

    def measured(self, tried: Flat) -> tuple[Singles, Singles, Singles]:
        """KS distances of candidates, with the logarithm and count of the value where each is."""
        if tried.row.size <= _ROWS:
            return self._measured(tried, self.logs.take(tried.row, axis=0), self.counts.take(tried.row, axis=0))
        found = np.empty((3, tried.row.size), np.float32)
        order = tried.column.argsort()  # those of like columns need as many points
        for part in (order[first : first + _ROWS] for first in range(0, order.size, _ROWS)):
            some = tried.take(part)
            width = self.middle + int(some.column[-1]) + 1
            found[:, part] = self._measured(some, self.logs[some.row, :width], self.counts[some.row, :width])
        return found[0], found[1], found[2]

    def _measured(self, tried: Flat, off: Singles, seen: Singles) -> tuple[Singles, Singles, Singles]:
        own, slope, share = tried.of[:3, :, None]
        off -= own
        seen *= share
        deviate(off, slope, seen)
        furthest = off.argmax(axis=1)
        point = furthest + self.logs.shape[1] * tried.row
        furthest += off.shape[1] * np.arange(furthest.size)
        return off.take(furthest), self.logs.take(point), self.counts.take(point)


def search(alive: Flat, points: Points, best: Singles) -> Indices:
    """The columns of candidates that are nearer than ``best`` (rows,), which is put right, or -1. Of equal distances
    the first column counts."""
    won = np.full(best.size, -1)
    while alive.row.size > _FEW:
        lengths = np.bincount(alive.row)
        lengths = lengths[lengths > 0]
        chosen = lowest(alive.of[3], lengths)
        tried = alive.take(chosen)
        distance, log, count = points.measured(tried)
        _settle(tried, distance, best, won)
        alive.raise_bounds(np.repeat(log, lengths), np.repeat(count, lengths))
        alive.of[3, chosen] = np.inf
        alive = alive.take((alive.of[3] <= best.take(alive.row)).nonzero()[0])
    if alive.row.size:
        distance, _, _ = points.measured(alive)
        first = np.lexsort((alive.column, distance, alive.row))
        first = first[np.diff(alive.row, prepend=-1) > 0]  # rows ascend in both orders
        _settle(alive.take(first), distance.take(first), best, won)
    return won


def _settle(tried: Flat, distance: Singles, best: Singles, won: Indices) -> None:
    """One candidate of some rows."""
    row, column = tried.row, tried.column
    so_far = best.take(row)
    better = ((distance < so_far) | ((distance == so_far) & (column < won.take(row)))).nonzero()[0]
    row = row.take(better)
    best[row], won[row] = distance.take(better), column.take(better)
