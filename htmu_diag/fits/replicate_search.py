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
_FEW = 96  # candidates that are all measured at once


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
    have lies beyond all, with none as large."""

    logs: Singles
    counts: Singles

    def measured(self, tried: Flat) -> tuple[Singles, Singles, Singles]:
        """KS distances of candidates, with the logarithm and count of the value where each is."""
        own, slope, share = tried.of[:3, :, None]
        off, seen = self.logs.take(tried.row, axis=0), self.counts.take(tried.row, axis=0)
        off -= own
        seen *= share
        deviate(off, slope, seen)
        width = self.logs.shape[1]
        furthest = off.argmax(axis=1)
        point = furthest + width * tried.row
        furthest += width * np.arange(furthest.size)
        return off.take(furthest), self.logs.take(point), self.counts.take(point)


def search(alive: Flat, points: Points, best: Singles) -> Indices:
    """The columns of candidates that are nearer than ``best`` (rows,), which is put right, or -1."""
    won = np.full(best.size, -1)
    while alive.row.size:
        lengths = np.bincount(alive.row)
        lengths = lengths[lengths > 0]
        chosen = lowest(alive.of[3], lengths)
        tried = alive.take(chosen)
        parts = [tried.take(np.arange(a, min(a + _ROWS, chosen.size))) for a in range(0, chosen.size, _ROWS)]
        distance, log, count = (
            np.concatenate(each) for each in zip(*(points.measured(part) for part in parts), strict=True)
        )
        better = (distance < best.take(tried.row)).nonzero()[0]
        best[tried.row[better]], won[tried.row[better]] = distance[better], tried.column[better]
        alive.raise_bounds(np.repeat(log, lengths), np.repeat(count, lengths))
        alive.of[3, chosen] = np.inf
        alive = alive.take((alive.of[3] < best.take(alive.row)).nonzero()[0])
    return won
