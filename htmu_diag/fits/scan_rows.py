"""The scan for xmin (``scan``) of many samples of one size at once: the replicates of a bootstrap.

Replicates are small and numpy's calls cost more than their work, so all samples take each round together: one candidate
of every sample is measured in full, and the point where it deviates most bounds the others of its sample. What is still
alive is kept flat, in the order of the samples. Exponents are of double precision, distances of single: a replicate's
distance is only compared with others that are apart by a hundredth, and single precision takes half of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["scan_rows"]

Indices = npt.NDArray[np.intp]
Singles = npt.NDArray[np.float32]

_PROBES = (13, 26, 38, 51)  # 64ths of the way from a candidate to the largest value, where its fit is tried first


def scan_rows(logs: Floats) -> tuple[Floats, Floats]:
    """(exponents, KS distances), each (samples,), of the logarithms (samples, n) of values, ascending rows; NaN without
    a candidate. Distances are accurate to 1e-7 times slope and logarithm, which should be small where tails begin."""
    samples = _Samples(logs)
    exponents, distances = np.full(len(logs), np.nan), np.full(len(logs), np.inf, np.float32)
    places = np.zeros(len(logs), np.intp)
    alive = samples.candidates()
    longer = samples.size * (alive.row + 1) - alive.place
    for share in _PROBES:
        alive.raise_bounds(samples, alive.place + (longer * share >> 6))
    while alive.row.size:
        lengths = alive.lengths()
        chosen = alive.lowest(lengths)
        row, place = alive.row[chosen], alive.place[chosen]
        furthest, found = samples.deviations(alive, chosen)
        better = (found < distances[row]) | ((found == distances[row]) & (place < places[row]))
        distances[row[better]], places[row[better]] = found[better], place[better]
        alive.bound[chosen] = np.inf
        alive.raise_bounds(samples, np.maximum(alive.place, np.repeat(furthest, lengths)))
        alive = alive.kept(alive.bound <= np.repeat(distances[row], lengths))
    known = np.isfinite(distances)
    exponents[known] = 1.0 + samples.rates(places[known])
    return exponents, np.where(known, distances, np.nan)


class _Samples:
    """logs: (samples, n); above: how many values are no smaller than each; starts: flat places of the values that none
    before is equal to; sums: of the logs of all values from one on over that one."""

    def __init__(self, logs: Floats) -> None:
        self.size = logs.shape[1]
        self.logs = logs.astype(np.float32)
        gaps = np.diff(logs, axis=1)
        new = np.ones(logs.shape, bool)
        np.greater(gaps, 0, out=new[:, 1:])
        self.starts = np.flatnonzero(new)
        above = (self.size - self.starts % self.size).astype(np.float32)
        self.above = np.repeat(above, np.diff(self.starts, append=logs.size)).reshape(logs.shape)
        self.sums = np.zeros(logs.shape)
        gaps *= np.arange(self.size - 1, 0, -1)
        np.cumsum(gaps[:, ::-1], axis=1, out=self.sums[:, -2::-1])

    def candidates(self) -> _Candidates:
        """The distinct values of each row, less the two largest."""
        ends = self.starts.searchsorted(self.size * np.arange(len(self.logs) + 1))
        kept = np.ones(self.starts.size, bool)
        kept[ends[1:] - 1] = kept[np.maximum(ends[1:] - 2, ends[:-1])] = False
        place = self.starts.take(np.flatnonzero(kept))
        size, log = self.above.take(place), self.logs.take(place)
        single = self.rates(place).astype(np.float32)
        share = np.reciprocal(size)
        return _Candidates(place // self.size, place, single, single * log, share, np.zeros(place.size, np.float32))

    def rates(self, places: Indices) -> Floats:
        """alpha - 1 of the tails that begin at some places, to double precision."""
        return np.asarray(self.above.take(places) / self.sums.take(places))

    def deviations(self, alive: _Candidates, chosen: Indices) -> tuple[Indices, Singles]:
        """Flat place of the largest deviation, and KS distance, of one candidate in each of some rows."""
        row = alive.row[chosen]
        rate, top, share = (a[chosen, None] for a in (alive.slope, alive.top, alive.share))
        fitted, seen = self.logs[row], self.above[row]  # copies, worked on in place
        fitted *= rate
        np.subtract(top, fitted, out=fitted)
        np.minimum(fitted, 0, out=fitted)  # before the candidate there is nothing
        np.exp(fitted, out=fitted)
        seen *= share
        np.minimum(seen, 1, out=seen)
        fitted -= seen
        np.abs(fitted, out=fitted)
        furthest = fitted.argmax(axis=1)
        return furthest + self.size * row, fitted[np.arange(row.size), furthest]


@dataclass(frozen=True)
class _Candidates:
    """Candidates of all rows, flat: row, place in the flattened samples, the fitted slope and slope times log, one over
    the size of the tail, and a lower bound of the distance."""

    row: Indices
    place: Indices
    slope: Singles
    top: Singles
    share: Singles
    bound: Singles

    def kept(self, keep: npt.NDArray[np.bool_]) -> _Candidates:
        places = np.flatnonzero(keep)  # far faster than a mask for each column
        return _Candidates(*(column.take(places) for column in vars(self).values()))

    def lengths(self) -> Indices:
        """How many candidates each row that has any has left."""
        counts = np.bincount(self.row)
        return counts[counts > 0]

    def lowest(self, lengths: Indices) -> Indices:
        """The first candidate with the lowest bound in each row."""
        starts = np.cumsum(lengths) - lengths
        hits = np.flatnonzero(self.bound == np.repeat(np.minimum.reduceat(self.bound, starts), lengths))
        return np.asarray(hits[np.searchsorted(hits, starts)])

    def raise_bounds(self, samples: _Samples, probes: Indices) -> None:
        """What the fits are off by at one place each, into ``bound``."""
        off, seen = samples.logs.take(probes), samples.above.take(probes)
        off *= self.slope
        np.subtract(self.top, off, out=off)
        np.exp(off, out=off)
        seen *= self.share
        off -= seen
        np.maximum(self.bound, np.abs(off, out=off), out=self.bound)
