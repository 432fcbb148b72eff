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

_ROWS = 64  # values whose distances to all larger ones are taken at once
_BLOCK = 8  # distances multiplied before their logarithm is taken: far inside the range of floats
_NOT_LARGER = np.tri(_ROWS, dtype=np.bool_)


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
    """Sum over pairs of log|x_i - x_j| of ascending x, of which products of a few are taken first."""
    total = 0.0
    for first in range(0, x.size, _ROWS):
        rows = x[first : first + _ROWS, None]
        apart = x[first:] - rows
        np.copyto(apart[:, : len(rows)], 1.0, where=_NOT_LARGER[: len(rows), : len(rows)])  # each pair once
        whole = len(rows) // _BLOCK * _BLOCK
        products = np.multiply.reduce(apart[:whole].reshape(-1, _BLOCK, x.size - first), axis=1)
        rest = np.multiply.reduce(apart[whole:], axis=0)
        if products.all() and rest.all():
            total += float(np.log(products).sum() + np.log(rest).sum())
        else:
            total += float(np.log(apart[apart > 0]).sum())
    return total
