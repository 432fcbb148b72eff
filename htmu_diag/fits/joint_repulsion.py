"""The repulsion of a spectrum by the joint density of its eigenvalues, which a fit of the law alone does not use.

Eigenvalues of the matrix model have the density prod |x_i - x_j|**b prod x_i**(b (m - n + 1)/2 - 1) exp(-b sum x / 2s)
(Dumitriu & Edelman 2002), n of them, m = n/gamma, b = kappa/n. Once the scale is taken out, b multiplies one number,

    T = sum_{i<j} log|x_i - x_j| + (m - n + 1)/2 sum log x_i    (sum x_i = 1),

so T is sufficient for b: whatever else is computed from the shape of a spectrum has, given T, a law that does not
depend on kappa. The likeliest b has E_b[T] = T, and E_b[T] is the derivative of the logarithm of Selberg's integral
(``selberg``). At noise its relative error is 1.9/sqrt(n), a third of what the fitted density leaves. The distances of
the reciprocals follow from those of the values: log|1/x_i - 1/x_j| = log|x_i - x_j| - log x_i - log x_j.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from htmu_diag.fits.selberg import selberg
from htmu_diag.spectrum import Floats

__all__ = ["FEWEST", "MOST", "Logarithms", "joint_repulsion", "joint_stderr"]

FEWEST, MOST = 20, 20_000  # eigenvalues: fewer say little of kappa, pairs of more would take seconds

_ROWS, _TOGETHER = 64, 2**15  # rows of distances that are taken at once, and how many of these: 256 kB
_BLOCK = 8  # distances multiplied before their logarithm is taken: far inside the range of floats


def joint_repulsion(values: Floats, gamma: float, unseen: float = 0.0) -> float:
    """b = kappa/n in [1e-5, 100] of ascending positive values (n,), by the likeliest joint density, in O(n**2).

    unseen: eigenvalues below the first, known by their number only; they are left out, with a column for each. Pairs
    of equal values are left out too.
    """
    return Logarithms.of(values).repulsion(gamma, unseen)


@dataclass(frozen=True)
class Logarithms:
    """Of n values in units of their mean: the sum of log x, and that of log|x_i - x_j| over all pairs that differ."""

    shares: Floats
    values: float
    distances: float

    @classmethod
    def of(cls, ascending: Floats) -> Logarithms:
        shares = ascending / ascending.mean()
        return cls(shares, float(np.log(shares).sum()), _log_distances(shares))

    def reciprocal(self) -> Logarithms:
        """Of the reciprocals, descending; equal values are pairs of its own."""
        shares, n = 1 / self.shares, self.shares.size
        if (self.shares[1:] == self.shares[:-1]).any():
            return Logarithms.of(shares[::-1])
        mean = float(shares.mean())
        values = -self.values - n * math.log(mean)
        return Logarithms(shares / mean, values, self.distances - (n - 1) * (self.values + n / 2 * math.log(mean)))

    def repulsion(self, gamma: float, unseen: float = 0.0) -> float:
        """`joint_repulsion` of the values."""
        n = self.shares.size
        columns = (n + unseen) / gamma - unseen
        found = self.distances + (columns - n + 1) / 2 * self.values
        found -= n * columns / 2 * math.log(n)  # the sum is one
        return selberg(n, columns).repulsion(found)


def joint_stderr(repulsion: float, n: float, gamma: float) -> float:
    """Standard error of the logarithm of what `joint_repulsion` finds in n eigenvalues of this repulsion b."""
    return selberg(math.ceil(n), n / gamma).stderr(repulsion)


def _log_distances(x: Floats) -> float:
    """Sum over pairs of log|x_i - x_j| of ascending x, of which products of a few are taken first.

    On a ring each pair is 1, 2, ... or (n - 1)/2 places apart, once; n/2 places are told from both ends.
    """
    n, total = x.size, 0.0
    if n % 2 == 0:
        opposite = x[n // 2 :] - x[: n // 2]
        total = float(np.log(opposite[opposite > 0]).sum())
    ring, step, end = np.concatenate([x, x]), x.itemsize, (n + 1) // 2
    rows = _BLOCK * min(max(_TOGETHER // (n * _BLOCK), 1), _ROWS // _BLOCK)
    for first in range(1, end, rows):
        shifted = np.ndarray((min(rows, end - first), n), np.float64, ring, first * step, (step, step))
        total += _log_sum(shifted - x)
    return total


def _log_sum(apart: Floats) -> float:
    """Sum of the logarithms of sizes; those of nothing are left out."""
    whole = len(apart) // _BLOCK * _BLOCK
    products = [np.multiply.reduce(apart[:whole].reshape(-1, _BLOCK, apart.shape[1]), axis=1)] if whole else []
    if whole < len(apart):
        products.append(np.multiply.reduce(apart[whole:], axis=0))
    if all(each.all() for each in products):
        return sum(float(np.log(np.abs(each)).sum()) for each in products)
    return float(np.log(np.abs(apart[apart != 0])).sum())
