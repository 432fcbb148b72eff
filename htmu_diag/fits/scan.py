"""The exact scan for xmin (Clauset, Shalizi & Newman 2009, section 3.3), pruned.

With t_j = log x_j ascending, the maximum-likelihood exponent for the tail that starts at candidate i is 1 + b_i,
1/b_i = mean of t_j - t_i over j >= i. All come from one cumulative sum of non-negative gaps, so nothing cancels.
The KS distance of candidate i is the maximum over j >= i of |1 - exp(-b_i (t_j - t_i)) - (j - i)/n_i|: a maximum over a
few probe points j bounds it from below, and a candidate whose bound exceeds the best distance so far is out. The full
distance is computed for the candidate with the lowest bound; the point j where it is reached is the next probe of all
others, since neighbours deviate at the same place. Some ten rounds leave none: the scan is exact and fast.

The empirical CDF counts the values strictly below a point, as in the powerlaw package, ties included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.side_by_side import SideBySide
from htmu_diag.spectrum import Floats

__all__ = ["ScanResult", "log_gaps", "scan", "tail_at", "tails_at"]

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class ScanResult:
    """start: index of xmin in the ascending values; n_tail values from there on."""

    start: int
    n_tail: int
    xmin: float
    alpha: float
    ks_distance: float


def scan(values: Floats) -> ScanResult | None:
    """The candidate with the smallest KS distance among ascending positive values, None where no candidate exists.

    Candidates are the distinct values, less the two largest (a tail of two points fits anything).
    """
    points, left, gaps = _distinct(values)
    if points.size < 3:
        return None
    rates, sizes = _rates(left, gaps, values.size)
    best = _Candidates(np.concatenate(([0.0], np.cumsum(gaps))), left.astype(np.float64), rates, sizes).argmin()
    return tail_at(values, float(points[best]))


def tail_at(values: Floats, xmin: float) -> ScanResult | None:
    """Exponent and KS distance of the tail at a given xmin; None where it has fewer than two distinct values."""
    return tails_at([(values, xmin)])[0]


def tails_at(given: Sequence[tuple[Floats, float]]) -> list[ScanResult | None]:
    """The same of several samples of ascending values, each with its xmin."""
    found: list[ScanResult | None] = [None] * len(given)
    starts = [int(values.searchsorted(xmin, side="left")) for values, xmin in given]
    some = [k for k, (values, _) in enumerate(given) if values.size - starts[k] >= 2]
    if not some:
        return found
    tails = SideBySide.of([given[k][0][starts[k] :] for k in some])
    xmins = [given[k][1] for k in some]
    logs = _logs_over(tails, xmins)
    with np.errstate(divide="ignore", invalid="ignore"):  # of equal values
        rates = tails.sizes / tails.sums(logs)
        off = -np.expm1(tails.each(-rates) * logs)
    off -= _below(tails) / tails.each(tails.sizes)
    distances = np.maximum.reduceat(np.abs(off, out=off), tails.starts)
    distinct = logs[tails.starts + tails.sizes - 1] > logs[tails.starts]
    numbers = (each.tolist() for each in (tails.sizes, 1.0 + rates, distances))
    for k, xmin, able, *of_tail in zip(some, xmins, distinct.tolist(), *numbers, strict=True):
        if able:
            found[k] = ScanResult(starts[k], of_tail[0], xmin, of_tail[1], of_tail[2])
    return found


def _logs_over(tails: SideBySide, xmins: Sequence[float]) -> Floats:
    with np.errstate(over="ignore"):
        ratio = tails.values / tails.each(np.array(xmins))
    finite = np.isfinite(ratio)
    if finite.all():
        return np.asarray(np.log(ratio))
    apart = np.log(tails.values) - tails.each(np.array([math.log(x) for x in xmins]))
    return np.asarray(np.where(finite, np.log(ratio), apart))


def _below(tails: SideBySide) -> Indices:
    """How many values of its tail lie strictly below each value."""
    first = np.concatenate(([True], tails.values[1:] != tails.values[:-1]))
    first[tails.starts] = True
    place = np.arange(first.size)
    return np.asarray(np.maximum.accumulate(place * first) - tails.each(tails.starts))


def _distinct(values: Floats) -> tuple[Floats, np.ndarray, Floats]:
    """Distinct values, the number of values below each, and the gaps between their logarithms."""
    first = np.concatenate(([True], values[1:] > values[:-1]))
    left = np.flatnonzero(first)
    points = values[left]
    return points, left, log_gaps(points)


def log_gaps(values: Floats) -> Floats:
    """Differences of neighbouring logarithms of ascending positive values, along the last axis, to full accuracy."""
    with np.errstate(over="ignore"):
        ratio = np.diff(values) / values[..., :-1]
    finite = np.isfinite(ratio)
    return np.log1p(ratio) if finite.all() else np.where(finite, np.log1p(ratio), np.diff(np.log(values)))


def _rates(left: np.ndarray, gaps: Floats, n: int) -> tuple[Floats, Floats]:
    """b_i = alpha_i - 1 and tail sizes of all candidates: sum_j (t_j - t_i) = sum_k (values beyond gap k) gap_k."""
    sizes = (n - left).astype(np.float64)
    sums = np.cumsum((sizes[1:] * gaps)[::-1])[::-1]
    candidates = left.size - 2
    return sizes[:candidates] / sums[:candidates], sizes[:candidates]


class _Candidates:
    """Lower bounds of the distances of all candidates to their own fits, raised until the best one is known."""

    def __init__(self, logs: Floats, left: Floats, rates: Floats, sizes: Floats) -> None:
        self.logs, self.left, self.rates, self.sizes = logs, left, rates, sizes
        self.alive = np.arange(rates.size)
        self.bounds = np.zeros(rates.size)

    def argmin(self) -> int:
        self._raise_bounds((self.alive + self.logs.size) // 2)  # one to four first probes were tried: one is fastest
        best, where = np.inf, -1
        while self.alive.size:
            k = int(np.argmin(self.bounds))
            index = int(self.alive[k])
            distances = self._distances(index, slice(index, None))
            furthest = int(distances.argmax())
            distance = float(distances[furthest])
            if distance < best:
                best, where = distance, index
            self.bounds[k] = np.inf
            self._raise_bounds(np.maximum(self.alive, index + furthest))
            kept = self.bounds <= best
            self.alive, self.bounds = self.alive[kept], self.bounds[kept]
        return where

    def _raise_bounds(self, probes: Indices) -> None:
        np.maximum(self.bounds, self._distances(self.alive, probes), out=self.bounds)

    def _distances(self, i: int | Indices, j: slice | Indices) -> Floats:
        """How far candidate i's fit is from the empirical distribution at the distinct values j."""
        fitted = -np.expm1(-self.rates[i] * (self.logs[j] - self.logs[i]))
        fitted -= (self.left[j] - self.left[i]) / self.sizes[i]
        return np.asarray(np.abs(fitted, out=fitted))
