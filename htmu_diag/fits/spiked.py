"""The Marchenko-Pastur bulk beside spikes, to the order 1/n that a rigid spectrum shows.

k strong spikes take k rows and columns with them: what is left is the noise of an (n - k) x (N - k) matrix. A spike of
finite strength leaves a little more behind. With m(x) the companion Stieltjes transform of the bulk and l the
population eigenvalue of the spike, in units of the noise, the number of bulk eigenvalues below x exceeds that of a
spike at infinity by

    (1/pi) [arg m(x + i0) - arg(m(x + i0) + 1/l)]    (between 0 and 1),

the first variation of log det in the population (ours; it follows from Silverstein's equation, Silverstein & Bai
1995, and is the same for spiked covariances and for noise plus a matrix of low rank). An eigenvalue of the noise stays
within O(log n / n) of its place, so without this term nine spikes would make a bulk of noise look like something else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from htmu_diag.laws.marchenko_pastur import central_quantiles, share_below
from htmu_diag.spectrum import Floats

__all__ = ["Bulk", "bulk_beside", "central_sum", "scale_of"]

_CENTRAL = np.linspace(0.25, 0.75, 65)

_TINY = np.finfo(np.float64).tiny  # a square matrix may have an eigenvalue of zero


@dataclass(frozen=True)
class Bulk:
    """The eigenvalues of noise beside spikes, in units of the variance of its entries.

    n: how many; gamma: their aspect ratio, (n - k)/(N - k); shrinkage: their mean, (N - k)/N.
    strengths: (k,) population eigenvalues of the spikes (1 for noise), masses: (k,) how many each stands for.
    """

    n: float
    gamma: float
    shrinkage: float
    strengths: Floats
    masses: Floats

    def levels(self, x: Floats) -> Floats:
        """(m,) expected share of the bulk's eigenvalues below x, in units of the noise."""
        y = x / self.shrinkage
        share = share_below(y, self.gamma)
        return share + self._excess(_Places.of(y, self.gamma)) / self.n if self.strengths.size else share

    def central_quantiles(self) -> Floats:
        """(65,) quantiles 25 to 75 %."""
        places = _central(self.gamma)
        if not self.strengths.size:
            return places.y * self.shrinkage
        shares = _CENTRAL - self._excess(places) / self.n
        return central_quantiles(np.minimum(np.maximum(shares, 0.01), 0.99), self.gamma) * self.shrinkage

    def _excess(self, at: _Places) -> Floats:
        """Eigenvalues below y over what strong spikes would leave there; nothing outside the bulk."""
        beside = at.doubled * (1 / self.strengths)
        beside += at.real
        return np.asarray((at.argument * self.masses.sum() - np.arctan2(at.root, beside) @ self.masses) / math.pi)


@dataclass(frozen=True)
class _Places:
    """y: (m,). Of the companion transform there, 2 y m = real + i root, (m, 1) each: the argument, (m,).

    doubled: (m, 1) 2 y.
    """

    y: Floats
    doubled: Floats
    real: Floats
    root: Floats
    argument: Floats

    @classmethod
    def of(cls, y: Floats, gamma: float) -> _Places:
        real = gamma - 1 - y
        root = np.sqrt(np.maximum(4 * y - real * real, 0.0))
        doubled = 2 * np.maximum(y, _TINY)
        return cls(y, doubled[:, None], real[:, None], root[:, None], np.arctan2(root, real))


def bulk_beside(spikes: Floats, masses: Floats, total: float, gamma: float, scale: float) -> Bulk:
    """The bulk of ``total`` eigenvalues of aspect ratio gamma beside spikes (k,), noise of variance ``scale``.

    scale: 0 where it is not known yet; spikes then count as infinitely strong.
    """
    k, columns = float(masses.sum()), total / gamma
    ratio, shrinkage = (total - k) / (columns - k), (columns - k) / columns
    if not scale > 0 or not spikes.size:
        return Bulk(total - k, ratio, shrinkage, np.empty(0), np.empty(0))
    half = (spikes / (scale * shrinkage) - 1 - ratio) / 2
    edge = math.sqrt(ratio)
    strengths = 1 + half + np.sqrt(np.maximum(half - edge, 0.0)) * np.sqrt(np.maximum(half + edge, 0.0))
    return Bulk(total - k, ratio, shrinkage, np.maximum(strengths, 1 + edge), masses)


def scale_of(values: Floats, masses: Floats, bulk: Bulk) -> float:
    """Variance of the noise whose central eigenvalues these are; values: (m,) ascending, the bulk alone."""
    return central_sum(values, masses) / float(bulk.central_quantiles().sum())


def central_sum(values: Floats, masses: Floats) -> float:
    """Of the values' quantiles from 25 to 75 %; over that of the law's own it is the scale."""
    middle = (np.cumsum(masses) - masses / 2) / masses.sum()
    return float(np.interp(_CENTRAL, middle, values).sum())


@lru_cache(maxsize=1024)
def _central(gamma: float) -> _Places:
    return _Places.of(central_quantiles(_CENTRAL, gamma), gamma)
