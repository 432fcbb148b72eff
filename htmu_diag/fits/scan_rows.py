"""The scan for xmin (``scan``) of many samples of one size at once: the replicates of a bootstrap.

Replicates are small and numpy's calls cost more than their work, so all samples take each round together: one candidate
of every sample is measured in full, and the point where it deviates most bounds the others of its sample. What is still
alive is kept flat, in the order of the samples. At 128 values a sample takes a fifth of the time of a scan of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.scan import log_gaps
from htmu_diag.spectrum import Floats

__all__ = ["scan_rows"]

Indices = npt.NDArray[np.intp]


def scan_rows(values: Floats) -> tuple[Floats, Floats]:
    """(exponents, KS distances), each (samples,), of samples (samples, n), ascending rows; NaN without a candidate."""
    samples = _Samples(values)
    exponents, distances = np.full(len(values), np.nan), np.full(len(values), np.inf)
    places = np.zeros(len(values), np.intp)
    alive = samples.candidates()
    alive.raise_bounds(samples, (alive.place + samples.size * (alive.row + 1)) // 2)
    while alive.row.size:
        lengths = alive.lengths()
        chosen = alive.lowest(lengths)
        row, place = alive.row[chosen], alive.place[chosen]
        furthest, found = samples.deviations(alive, chosen)
        better = (found < distances[row]) | ((found == distances[row]) & (place < places[row]))
        distances[row[better]], places[row[better]] = found[better], place[better]
        exponents[row[better]] = 1.0 + alive.rate[chosen[better]]
        alive.bound[chosen] = np.inf
        alive.raise_bounds(samples, np.maximum(alive.place, np.repeat(furthest, lengths)))
        alive = alive.kept(alive.bound <= np.repeat(distances[row], lengths))
    return exponents, np.where(np.isinf(distances), np.nan, distances)


class _Samples:
    """logs: (samples, n) of the values over the smallest of their row; left: how many values lie below each; new: no
    value before is the same; sums: of the logs of all values from one on over that one."""

    def __init__(self, values: Floats) -> None:
        self.size = values.shape[1]
        rises = np.diff(values) > 0
        zero = np.zeros((len(values), 1))
        self.new = np.concatenate((zero == 0, rises), axis=1)
        places = np.arange(self.size)
        gaps = log_gaps(values)
        self.logs = np.concatenate((zero, np.cumsum(gaps, axis=1)), axis=1)
        self.left = np.maximum.accumulate(np.where(self.new, places, 0), axis=1).astype(np.float64)
        sums = np.cumsum(((self.size - places[1:]) * gaps)[:, ::-1], axis=1)[:, ::-1]
        self.sums = np.concatenate((sums, zero), axis=1)

    def candidates(self) -> _Candidates:
        """The distinct values of each row, less the two largest."""
        from_above = np.cumsum(self.new[:, ::-1], axis=1)[:, ::-1]
        place = np.flatnonzero(self.new & (from_above > 2))
        row = place // self.size
        sizes = (self.size * (row + 1) - place).astype(np.float64)
        left = self.left.ravel()[place]
        return _Candidates(
            row, place, self.logs.ravel()[place], left, sizes, sizes / self.sums.ravel()[place], np.zeros(row.size)
        )

    def deviations(self, alive: _Candidates, chosen: Indices) -> tuple[Indices, Floats]:
        """Flat place of the largest deviation, and KS distance, of one candidate in each of some rows."""
        row = alive.row[chosen]
        log, left, rate, size = (a[chosen, None] for a in (alive.log, alive.left, alive.rate, alive.size))
        ahead, steps = self.logs[row], self.left[row]  # copies, worked on in place
        ahead -= log
        np.maximum(ahead, 0.0, out=ahead)  # before the candidate there is nothing
        ahead *= -rate
        steps -= left
        np.maximum(steps, 0.0, out=steps)
        steps /= size
        deviation = np.expm1(ahead, out=ahead)
        deviation += steps
        np.abs(deviation, out=deviation)
        furthest = deviation.argmax(axis=1)
        return furthest + self.size * row, deviation[np.arange(row.size), furthest]


@dataclass(frozen=True)
class _Candidates:
    """Candidates of all rows, flat: row, place in the flattened samples, what their fits need, and a lower bound."""

    row: Indices
    place: Indices
    log: Floats
    left: Floats
    size: Floats
    rate: Floats
    bound: Floats

    def kept(self, keep: npt.NDArray[np.bool_]) -> _Candidates:
        fits = (column[keep] for column in (self.log, self.left, self.size, self.rate, self.bound))
        return _Candidates(self.row[keep], self.place[keep], *fits)

    def lengths(self) -> Indices:
        """How many candidates each row that has any has left."""
        counts = np.bincount(self.row)
        return counts[counts > 0]

    def lowest(self, lengths: Indices) -> Indices:
        """The first candidate with the lowest bound in each row."""
        starts = np.cumsum(lengths) - lengths
        hits = np.flatnonzero(self.bound == np.repeat(np.minimum.reduceat(self.bound, starts), lengths))
        return hits[np.searchsorted(hits, starts)]

    def raise_bounds(self, samples: _Samples, probes: Indices) -> None:
        """What the fits are off by at one place each, into ``bound``."""
        off, steps = samples.logs.ravel()[probes], samples.left.ravel()[probes]
        off -= self.log
        off *= -self.rate
        np.expm1(off, out=off)
        steps -= self.left
        steps /= self.size
        off += steps
        np.maximum(self.bound, np.abs(off, out=off), out=self.bound)
