"""The exact scan for xmin (Clauset, Shalizi & Newman 2009, section 3.3), pruned.

With t_j = log x_j ascending, the maximum-likelihood exponent for the tail that starts at candidate i is 1 + b_i,
1/b_i = mean of t_j - t_i over j >= i. All come from one cumulative sum of non-negative gaps, so nothing cancels.
The KS distance of candidate i is the maximum over j >= i of |1 - exp(-b_i (t_j - t_i)) - (j - i)/n_i|: a maximum over a
few probe points j bounds it from below, and a candidate whose bound exceeds the best distance so far is out. The full
distance is computed for survivors only, in the order of their bounds, which makes the scan exact and fast.

The empirical CDF counts the values strictly below a point, as in the powerlaw package, ties included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["ScanResult", "scan", "tail_at"]

# probe points a level; tuned on Pareto and Wishart samples of 256 to 16,384 values
_PROBES = (6, 24, 96)
_SMALL = 64  # survivors below which another level of probes costs more than it saves


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
    start = int(np.searchsorted(values, xmin, side="left"))
    tail = values[start:]
    with np.errstate(over="ignore"):
        ratio = tail / xmin
    logs = np.where(np.isfinite(ratio), np.log(ratio), np.log(tail) - math.log(xmin))
    if tail.size < 2 or not logs[-1] > logs[0]:
        return None
    rate = tail.size / logs.sum()
    below = np.searchsorted(tail, tail, side="left") / tail.size
    distance = float(np.abs(-np.expm1(-rate * logs) - below).max())
    return ScanResult(start, tail.size, xmin, 1.0 + float(rate), distance)


def _distinct(values: Floats) -> tuple[Floats, np.ndarray, Floats]:
    """Distinct values, the number of values below each, and the gaps between their logarithms."""
    first = np.concatenate(([True], values[1:] > values[:-1]))
    left = np.flatnonzero(first)
    points = values[left]
    with np.errstate(over="ignore"):
        ratio = np.diff(points) / points[:-1]
    gaps = np.where(np.isfinite(ratio), np.log1p(ratio), np.diff(np.log(points)))
    return points, left, gaps


def _rates(left: np.ndarray, gaps: Floats, n: int) -> tuple[Floats, Floats]:
    """b_i = alpha_i - 1 and tail sizes of all candidates: sum_j (t_j - t_i) = sum_k (values beyond gap k) gap_k."""
    sizes = (n - left).astype(np.float64)
    sums = np.cumsum((sizes[1:] * gaps)[::-1])[::-1]
    candidates = left.size - 2
    return sizes[:candidates] / sums[:candidates], sizes[:candidates]


class _Candidates:
    """Distances of all candidates to their own fits, computed only as far as needed."""

    def __init__(self, logs: Floats, left: Floats, rates: Floats, sizes: Floats) -> None:
        self.logs, self.left, self.rates, self.sizes = logs, left, rates, sizes
        self.bounds = np.zeros(rates.size)
        self.alive = np.arange(rates.size)

    def argmin(self) -> int:
        best, where = np.inf, 0
        for probes in _PROBES:
            if self.alive.size <= _SMALL:
                break
            self._raise_bounds(probes)
            champion = int(self.alive[np.argmin(self.bounds[self.alive])])
            distance = self.distance(champion)
            if distance < best:
                best, where = distance, champion
            self.alive = self.alive[self.bounds[self.alive] <= best]
        return self._among_survivors(best, where)

    def _among_survivors(self, best: float, where: int) -> int:
        for index in self.alive[np.argsort(self.bounds[self.alive], kind="stable")]:
            if self.bounds[index] > best:
                break
            distance = self.distance(int(index))
            if distance < best or (distance == best and index < where):
                best, where = distance, int(index)
        return where

    def distance(self, i: int) -> float:
        fitted = -np.expm1(-self.rates[i] * (self.logs[i:] - self.logs[i]))
        fitted -= (self.left[i:] - self.left[i]) / self.sizes[i]
        return float(np.abs(fitted, out=fitted).max())

    def _raise_bounds(self, probes: int) -> None:
        i = self.alive[:, None]
        shares = (np.arange(probes) + 0.5) / probes
        j = i + ((self.logs.size - i) * shares).astype(np.intp)
        fitted = -np.expm1(-self.rates[i] * (self.logs[j] - self.logs[i]))
        fitted -= (self.left[j] - self.left[i]) / self.sizes[i]
        self.bounds[self.alive] = np.maximum(self.bounds[self.alive], np.abs(fitted).max(axis=1))
