"""The best of the candidates that are left in many replicates, each of which is measured in all its values.

As in ``scan`` the candidate with the lowest bound is measured, and where it deviates most bounds the others. They are
kept flat, of all samples together, in the order of the replicates.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from htmu_diag.fits.replicate_tails import BLOCK, deviate
from htmu_diag.fits.replicates import Indices, Singles
from htmu_diag.fits.scans import lowest
from htmu_diag.spectrum import Floats

__all__ = ["Flat", "Points", "Room", "search", "split"]

_AT_ONCE = 25_000  # values of candidates that are measured at once, those of like ranks together
_FEW = 8000  # values of candidates that are all measured at once
_KEPT = 150_000  # the most values of an array that is kept
_THREAD = threading.local()


@dataclass(frozen=True)
class Flat:
    """Candidates in the order of their rows, with the index of their rank, and (4, candidates): logarithm, slope
    (negative), one over the size, and a lower bound of the KS distance."""

    row: Indices
    at: Indices
    of: Singles

    def take(self, places: Indices) -> Flat:
        """Some of them."""
        return Flat(self.row.take(places), self.at.take(places), self.of.take(places, axis=1))

    def raise_bounds(self, log: Singles, count: Singles) -> None:
        """By a value of each candidate's replicate and how many are as large."""
        own, slope, share, bound = self.of
        log -= own
        count *= share
        deviate(log, slope, count)
        np.maximum(bound, log, out=bound)


class Room:
    """Arrays for some ranks of some replicates that are made once and used again: new ones of this size are new pages
    of memory each time, which cost more than what is computed in them."""

    def __init__(self, ranks: int, rows: int) -> None:
        self._all = np.empty((5, (ranks + BLOCK) * rows + _FEW), np.float32)

    @classmethod
    def of_thread(cls, ranks: int, rows: int) -> Room:
        """That of this thread, whose arrays hold anything; a new one where more room is needed than is kept."""
        if ranks * rows > _KEPT:
            return cls(ranks, rows)
        room: Room | None = getattr(_THREAD, "room", None)
        if room is None or room._all.shape[1] < (ranks + BLOCK) * rows + _FEW:
            room = _THREAD.room = cls(ranks, rows)
        return room

    def array(self, k: int, ranks: int, rows: int) -> Singles:
        """The k-th of five, (ranks, rows)."""
        return self._all[k, : ranks * rows].reshape(ranks, rows)


@dataclass(frozen=True)
class Points:
    """(ranks, rows): logarithms of all values of a replicate, the largest first, and how many are as large."""

    logs: Singles
    ranks: Singles
    room: Room

    def measured(self, tried: Flat) -> tuple[Singles, Singles, Singles]:
        """KS distances of candidates, with the logarithm and count of the value where each is."""
        parts = 1 + tried.row.size * (int(tried.at.max()) + 1) // _AT_ONCE
        if parts == 1:
            return self._measured(tried)
        found = np.empty((3, tried.row.size), np.float32)
        order = tried.at.argsort()  # those of like ranks need as many values
        step = -(-order.size // parts)
        for some in (order[first : first + step] for first in range(0, order.size, step)):
            found[:, some] = self._measured(tried.take(some))
        return found[0], found[1], found[2]

    def _measured(self, tried: Flat) -> tuple[Singles, Singles, Singles]:
        longest = int(tried.at.max()) + 1
        own, slope, share = tried.of[:3]
        off, seen = (self.room.array(k, longest, tried.row.size) for k in (3, 4))
        self.logs[:longest].take(tried.row, axis=1, out=off, mode="clip")
        self.ranks[:longest].take(tried.row, axis=1, out=seen, mode="clip")
        off -= own
        seen *= share
        deviate(off, slope, seen)
        distance = off.max(axis=0)
        hits = (off == distance).ravel().nonzero()[0]
        furthest = np.empty(distance.size, np.intp)
        at, which = split(hits, distance.size)
        furthest[which] = at
        furthest *= self.logs.shape[1]
        furthest += tried.row
        return distance, self.logs.take(furthest), self.ranks.take(furthest)


def split(places: Indices, width: int) -> tuple[Indices, Indices]:
    """Rows and columns of places in an array of some width; a tenth of the time of a division of integers."""
    row = ((places + 0.5) * (1 / width)).astype(np.intp)
    return row, places - width * row


def search(alive: Flat, points: Points, best: Singles, rates: Floats) -> Indices:
    """Puts ``best`` and ``rates`` (rows,) right, the smallest KS distances and the slopes of the fits, where a
    candidate is nearer: the indices of their ranks, or -1. Of equal distances the first candidate counts."""
    won = np.full(best.size, -1)
    while alive.row.size * points.logs.shape[0] > _FEW:
        lengths = np.bincount(alive.row)
        lengths = lengths[lengths > 0]
        chosen = lowest(alive.of[3], lengths)
        tried = alive.take(chosen)
        distance, log, count = points.measured(tried)
        _settle(tried, distance, best, rates, won)
        alive.raise_bounds(np.repeat(log, lengths), np.repeat(count, lengths))
        alive.of[3, chosen] = np.inf
        alive = alive.take((alive.of[3] <= best.take(alive.row)).nonzero()[0])
    if alive.row.size:
        distance, _, _ = points.measured(alive)
        first = np.lexsort((alive.at, distance, alive.row))
        first = first[np.diff(alive.row, prepend=-1) > 0]  # rows ascend in both orders
        _settle(alive.take(first), distance.take(first), best, rates, won)
    return won


def _settle(tried: Flat, distance: Singles, best: Singles, rates: Floats, won: Indices) -> None:
    """One candidate of some rows."""
    row, at = tried.row, tried.at
    so_far = best.take(row)
    better = ((distance < so_far) | ((distance == so_far) & (at < won.take(row)))).nonzero()[0]
    row = row.take(better)
    best[row], won[row], rates[row] = distance.take(better), at.take(better), -tried.of[1].take(better)
