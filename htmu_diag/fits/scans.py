"""The scan for xmin (``scan``) of many samples: those of one size take each round together.

The same numbers by the same operations, value by value, so the same xmin to the last bit; only the order in which
candidates are tried is another. What is still alive is kept flat, in the order of the samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.scan import ScanResult, log_gaps, scan, tails_at
from htmu_diag.spectrum import Floats

__all__ = ["lowest", "scans"]

Indices = npt.NDArray[np.intp]
_LARGE = 1024  # from there on the work of a scan is more than its calls
_AT_ONCE = 16384  # values of samples that are scanned together: what a cache holds


def scans(samples: Sequence[Floats]) -> list[ScanResult | None]:
    """What `scan` finds in each of some samples of ascending positive values."""
    found: dict[int, ScanResult | None] = {}
    best: dict[int, float] = {}
    alike: dict[int, list[int]] = {}
    for k, values in enumerate(samples):
        if 3 <= values.size < _LARGE and (values[1:] > values[:-1]).all():
            alike.setdefault(values.size, []).append(k)
        else:
            found[k] = scan(values)
    for size, those in alike.items():
        step = max(_AT_ONCE // size, 1)
        for some in (those[first : first + step] for first in range(0, len(those), step)):
            if len(some) == 1:
                found[some[0]] = scan(samples[some[0]])
                continue
            starts = _starts(np.stack([samples[k] for k in some]))
            best.update((k, float(samples[k][at])) for k, at in zip(some, starts, strict=True))
    found.update(zip(best, tails_at([(samples[k], xmin) for k, xmin in best.items()]), strict=True))
    return [found[k] for k in range(len(samples))]


def lowest(bounds: npt.NDArray[np.floating], lengths: Indices) -> Indices:
    """Where the first of the lowest bounds lies in each of some parts, of these lengths (none is zero)."""
    starts = np.cumsum(lengths) - lengths
    hits = (bounds == np.repeat(np.minimum.reduceat(bounds, starts), lengths)).nonzero()[0]
    return np.asarray(hits[hits.searchsorted(starts)])


def _starts(values: Floats) -> Indices:
    """(samples,): index of the best xmin in each row of distinct ascending values (samples, n)."""
    logs, alive = _candidates(values)
    count, n = values.shape
    best, where = np.full(count, np.inf), np.zeros(count, np.intp)
    alive.raise_bounds(logs, (alive.index + n) // 2)
    while alive.row.size:
        lengths = np.bincount(alive.row, minlength=count)
        lengths = lengths[lengths > 0]
        chosen = lowest(alive.bound, lengths)
        tried = alive.take(chosen)
        furthest, distance = tried.measured(logs)
        better = (distance < best[tried.row]).nonzero()[0]
        row = tried.row[better]
        best[row], where[row] = distance[better], tried.index[better]
        alive.bound[chosen] = np.inf
        alive.raise_bounds(logs, np.maximum(alive.index, np.repeat(furthest, lengths)))
        alive = alive.take((alive.bound <= best.take(alive.row)).nonzero()[0])
    return where


@dataclass(frozen=True)
class _Candidates:
    """Candidates of all samples, flat: sample, index of the first value, its logarithm, alpha - 1, size of the tail,
    and a lower bound of the KS distance."""

    row: Indices
    index: Indices
    log: Floats
    rate: Floats
    size: Floats
    bound: Floats

    def take(self, places: Indices) -> _Candidates:
        return _Candidates(*(each.take(places) for each in vars(self).values()))

    def raise_bounds(self, logs: Floats, probes: Indices) -> None:
        """By what each fit is off by at one value."""
        off = logs.take(logs.shape[1] * self.row + probes)
        off -= self.log
        seen = probes - self.index
        np.maximum(self.bound, _off(off, self.rate, seen / self.size), out=self.bound)

    def measured(self, logs: Floats) -> tuple[Indices, Floats]:
        """Where each fit is off by most, and by how much."""
        off = logs.take(self.row, axis=0)
        off -= self.log[:, None]
        before = self.index[:, None] - np.arange(logs.shape[1])
        off[before > 0] = 0  # nothing
        off = _off(off, self.rate[:, None], np.minimum(before, 0) / -self.size[:, None])
        furthest = off.argmax(axis=1)
        return furthest, off.max(axis=1)


def _off(logs: Floats, rates: Floats, below: Floats) -> Floats:
    """Distances between fits and empirical distributions, at logarithms over the starts of the tails."""
    logs *= -rates
    np.expm1(logs, out=logs)
    np.negative(logs, out=logs)
    logs -= below
    return np.asarray(np.abs(logs, out=logs))


def _candidates(values: Floats) -> tuple[Floats, _Candidates]:
    """Logarithms of all values over the first of their sample, and all candidates: all values but the two largest."""
    count, n = values.shape
    gaps = log_gaps(values)
    logs = np.concatenate((np.zeros((count, 1)), np.cumsum(gaps, axis=1)), axis=1)
    sums = np.cumsum((np.arange(n - 1.0, 0, -1) * gaps)[:, ::-1], axis=1)[:, ::-1]
    size = np.arange(float(n), 2, -1)
    rates = size / sums[:, : n - 2]
    row, index = np.repeat(np.arange(count), n - 2), np.tile(np.arange(n - 2), count)
    log, sizes = logs[:, : n - 2].ravel(), np.tile(size, count)
    return logs, _Candidates(row, index, log, rates.ravel(), sizes, np.zeros(row.size))
