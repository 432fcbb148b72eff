"""What the repulsion of eigenvalues does to the standard errors of an HTMP fit.

Eigenvalues repel each other, so their sums fluctuate less than those of independent values, and the likelihood's
curvature overstates the errors. The trace shows it in closed form: it is a sum of independent Gamma variables, of
relative variance 2 gamma/(N kappa), where independent values of the law would give gamma (1 + 2/kappa)/N: a ratio of
2/(kappa + 2).

The tables hold the ratio of true to naive standard error, by simulation of the matrix model with 400 eigenvalues
(``benchmarks/repulsion_factors.py``, accurate to about 3 %); as long as kappa is below a quarter of the size they
hardly depend on it, beyond they depend on kappa over the size. Between the entries: linear in gamma and log kappa;
outside: the nearest entry.

The law is the limit of many eigenvalues. Those of a finite matrix repel each other a little more than the limit has it:
their relative variance is gamma (1 + 2/kappa - 1/n) to this order (Dumitriu & Edelman 2006, moments of beta-Laguerre
matrices at beta = kappa/n), so that of n eigenvalues looks like the law of 1/kappa - 1/(2n). Near kappa = n the
likelihood is flat towards noise and its root no longer normal: a fit of a tenth to a half of n strays further up than
its curvature says, by `skewness`, measured on 11,200 matrices of 60 to 1,000 rows.
"""

from __future__ import annotations

import math
from bisect import bisect
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = [
    "GAMMAS",
    "KAPPAS",
    "SHARES",
    "log_kappa_factors",
    "matrix_kappa",
    "of_the_matrix",
    "skewness",
    "skewnesses",
    "spread_factors",
]

GAMMAS = (0.1, 0.25, 0.5, 0.75, 1.0)
KAPPAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_LOG_KAPPAS = tuple(map(math.log, KAPPAS))
# rows: gamma, columns: kappa
_LOG_KAPPA = (
    (0.994, 0.988, 0.905, 0.872, 0.825, 0.841, 0.783, 0.613),
    (0.929, 0.915, 0.914, 0.872, 0.875, 0.800, 0.779, 0.579),
    (0.839, 0.864, 0.862, 0.812, 0.837, 0.809, 0.794, 0.632),
    (0.774, 0.761, 0.741, 0.748, 0.822, 0.776, 0.768, 0.583),
    (0.754, 0.680, 0.596, 0.544, 0.528, 0.548, 0.535, 0.540),
)
_LOG_SCALE = (
    (0.944, 0.930, 0.860, 0.742, 0.636, 0.600, 0.547, 0.486),
    (0.949, 0.928, 0.834, 0.731, 0.654, 0.596, 0.552, 0.477),
    (0.992, 0.940, 0.884, 0.743, 0.649, 0.585, 0.546, 0.475),
    (0.983, 0.939, 0.841, 0.729, 0.636, 0.567, 0.546, 0.471),
    (0.958, 0.917, 0.832, 0.669, 0.530, 0.449, 0.405, 0.390),
)
_SIZE = 400  # eigenvalues behind the tables
SHARES = (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)  # kappa over n
_LOG_SHARES = tuple(map(math.log, SHARES))
# 97.5 % quantile of the likelihood's root, the maximum above the truth, over that of a normal one
_SKEWNESS = (1.0, 1.04, 1.1, 1.2, 1.4, 1.4, 1.25, 1.08, 1.0)


def of_the_matrix(kappa: float, n: float) -> float:
    """The matrix model's kappa, below 2n, whose n eigenvalues look like the law of this one."""
    return kappa / (1 + 0.5 * kappa / n)


def matrix_kappa(kappa: float, n: float) -> float:
    """The matrix model's kappa from a fitted one, n where that is n or more: noise."""
    return n if kappa >= n else of_the_matrix(kappa, n)


def skewness(kappa: float, n: float) -> float:
    """How much further than a normal estimate the fit to n eigenvalues lies above the matrix model's kappa."""
    i, s = _place(_LOG_SHARES, math.log(kappa / n))
    return (1 - s) * _SKEWNESS[i] + s * _SKEWNESS[i + 1]


@lru_cache(maxsize=8192)  # asked at the places of one grid, over and over
def spread_factors(gamma: float, kappa: float, n: float = math.inf) -> tuple[float, float]:
    """Factors on the standard errors of log kappa and log scale that the likelihood of n independent values gives."""
    share = kappa / n
    alike = _SIZE * share if share > 0.25 else min(kappa, 0.25 * _SIZE)
    return _between(_LOG_KAPPA, gamma, alike), _between(_LOG_SCALE, gamma, alike)


def log_kappa_factors(gammas: Floats, kappas: Floats, n: Floats) -> Floats:
    """The first of the two for many: gammas and n (k,), kappas (k, rows)."""
    share = kappas / n[:, None]
    alike = np.where(share > 0.25, _SIZE * share, np.minimum(kappas, 0.25 * _SIZE))
    i, s = _places(GAMMAS, gammas[:, None])
    j, t = _places(_LOG_KAPPAS, np.log(alike))
    table = np.array(_LOG_KAPPA)
    low, high = ((1 - t) * table[k, j] + t * table[k, j + 1] for k in (i, i + 1))
    return np.asarray((1 - s) * low + s * high)


def skewnesses(kappas: Floats, n: Floats) -> Floats:
    """`skewness` of many: kappas (k, rows), n (k,)."""
    return np.interp(np.log(kappas / n[:, None]), _LOG_SHARES, _SKEWNESS)


def _places(grid: tuple[float, ...], x: Floats) -> tuple[npt.NDArray[np.intp], Floats]:
    """`_place` of many."""
    ends = np.array(grid)
    i = np.minimum(np.maximum(ends.searchsorted(x, "right") - 1, 0), ends.size - 2)
    return i, np.minimum(np.maximum((x - ends[i]) / (ends[i + 1] - ends[i]), 0.0), 1.0)


def _between(table: tuple[tuple[float, ...], ...], gamma: float, kappa: float) -> float:
    i, s = _place(GAMMAS, gamma)
    j, t = _place(_LOG_KAPPAS, math.log(kappa))
    low, high = ((1 - t) * row[j] + t * row[j + 1] for row in (table[i], table[i + 1]))
    return (1 - s) * low + s * high


def _place(grid: tuple[float, ...], x: float) -> tuple[int, float]:
    """The interval of x and how far along it x lies, the ends for what lies outside."""
    i = min(max(bisect(grid, x) - 1, 0), len(grid) - 2)
    return i, min(max((x - grid[i]) / (grid[i + 1] - grid[i]), 0.0), 1.0)
