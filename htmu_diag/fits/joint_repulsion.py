"""The repulsion of a spectrum by the joint density of its eigenvalues, which a fit of the law alone does not use.

Eigenvalues of the matrix model have the density prod |x_i - x_j|**b prod x_i**(b (m - n + 1)/2 - 1) exp(-b sum x / 2s)
(Dumitriu & Edelman 2002), n of them, m = n/gamma, b = kappa/n. Once the scale is taken out, b multiplies one number,

    T = sum_{i<j} log|x_i - x_j| + (m - n + 1)/2 sum log x_i    (sum x_i = 1),

so T is sufficient for b: whatever else is computed from the shape of a spectrum has, given T, a law that does not
depend on kappa. The likeliest b has E_b[T] = T, and E_b[T] is the derivative of the logarithm of Selberg's integral.
At noise its relative error is 1.9/sqrt(n), a third of what the fitted density leaves. The distances of the reciprocals
follow from those of the values: log|1/x_i - 1/x_j| = log|x_i - x_j| - log x_i - log x_j.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy

from htmu_diag.spectrum import Floats

__all__ = ["FEWEST", "MOST", "Logarithms", "joint_repulsion", "joint_stderr"]

FEWEST, MOST = 20, 20_000  # eigenvalues: fewer say little of kappa, pairs of more would take seconds

_ROWS = 64  # values whose distances to all larger ones are taken at once
_BLOCK = 8  # distances multiplied before their logarithm is taken: far inside the range of floats
_NOT_LARGER = np.tri(_ROWS, dtype=np.bool_)
_LOW, _HIGH = math.log(1e-5), math.log(100.0)
_HALVINGS = 14  # to 0.001 of the logarithm


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
        low, high = _LOW, _HIGH
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if _expected(math.exp(middle), n, columns) < found else (low, middle)
        return math.exp((low + high) / 2)


def joint_stderr(repulsion: float, n: float, gamma: float) -> float:
    """Standard error of the logarithm of what `joint_repulsion` finds in n eigenvalues of this repulsion b.

    T multiplies b in an exponential family, so its variance is the derivative of E_b[T] and that of b its reciprocal.
    """
    step, columns = 1e-3, n / gamma
    rise = _expected(repulsion * (1 + step), n, columns) - _expected(repulsion * (1 - step), n, columns)
    return 1 / math.sqrt(repulsion * rise / (2 * step))


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


@lru_cache(maxsize=8192)  # the halvings of spectra of a shape begin alike
def _expected(b: float, n: float, columns: float) -> float:
    """E_b[T]."""
    psi, rows = scipy.special.psi, np.arange(1.0, n + 1)
    free = columns - n + rows
    mean = rows @ psi(1 + rows * b / 2) + free @ psi(free * b / 2) - n * psi(1 + b / 2)
    return 0.5 * float(mean - n * columns * psi(b * n * columns / 2))
