"""Tracy-Widom laws of the largest eigenvalue of a random bulk, for beta = 1 (real), 2 (complex), 4 (quaternion).

With B_s the integral operator Ai(x + y + s) on (0, infinity) and E(+-) = det(1 -+ B_s) (Ferrari & Spohn 2005),

    F_1(s) = E(+),    F_2(s) = E(+) E(-),    F_4(s / sqrt 2) = (E(+) + E(-)) / 2,

and Gauss-Legendre quadrature turns the determinants into those of a symmetric matrix, exponentially accurate (Bornemann
2010). log(-log F) is smooth over the whole line: it is computed once at Chebyshev nodes and interpolated. Left
of the table the Hastings-McLeod solution q of Painleve II has a power series in 1/s**3, and log F_2'' = -q**2,
log(E(-)/E(+)) = integral of q, with known constants (Baik, Buckingham & DiFranco 2008).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy
from numpy.polynomial import chebyshev

from htmu_diag.laws.base import ContinuousLaw, numbers_only, require
from htmu_diag.spectrum import Floats

__all__ = ["TracyWidom"]

# Means and variances: Bornemann, "On the numerical evaluation of distributions in random matrix theory" (2010), table
# 10.
_MEAN = {1: -1.2065335745820, 2: -1.7710868074116, 4: -2.3068848932410}
_VARIANCE = {1: 1.6077810345810, 2: 0.8131947928329, 4: 0.5177237207726}

# Table in s: at -7 the series on the left has a relative error of 6e-10 in log F, at 30 all tails are below 1e-47.
# Degree and quadrature nodes: the smallest of those tried (multiples of 10) that leave the first four moments
# unchanged to 1e-12.
_LOW, _HIGH, _DEGREE = -7.0, 30.0, 80
_NODES = 50
_FURTHEST = 1e100  # its cube is a float, and the logarithm of a tail there exceeds every float
_ZETA = -0.16542114370045092921  # zeta'(-1)
# q(s) = sqrt(r/2) sum of these times r**(-3k), r = -s
_HASTINGS_MCLEOD = np.array([1.0, -1 / 8, -73 / 128, -10657 / 1024, -13912277 / 32768])


@dataclass(frozen=True)
class TracyWidom(ContinuousLaw):
    """Tracy-Widom law in the classical scaling of Tracy & Widom (means -1.2065, -1.7711, -2.3069 for beta 1, 2, 4).

    cdf, sf and pdf to 1e-12 (absolute) and their logarithms to 1e-8 (relative) up to x = 20. The largest eigenvalue
    of W W^T for a p x n real Gaussian matrix is mu + sigma X, X ~ TracyWidom(1) (Johnstone 2001). Raises InputError
    for another beta.
    """

    beta: int

    def __post_init__(self) -> None:
        numbers_only(self)
        require(self.beta in _MEAN, "TracyWidom", f"beta = {self.beta} is not 1, 2 or 4", "pass 1 for real matrices")

    def support(self) -> tuple[float, float]:
        return -math.inf, math.inf

    def mean(self) -> float:
        return _MEAN[self.beta]

    def var(self) -> float:
        return _VARIANCE[self.beta]

    def _logpdf(self, x: Floats) -> Floats:
        """f = -F log F * d log(-log F)/ds * ds/dx."""
        height, slope = _log_minus_log(self.beta, x * self._stretch)
        return height - np.exp(height) + np.log(-slope * self._stretch)

    def _cdf(self, x: Floats) -> Floats:
        return np.exp(self._logcdf(x))

    def _sf(self, x: Floats) -> Floats:
        return -np.expm1(self._logcdf(x))

    def _logcdf(self, x: Floats) -> Floats:
        return -np.exp(_log_minus_log(self.beta, x * self._stretch)[0])

    def _logsf(self, x: Floats) -> Floats:
        """log(1 - exp(-m)) with log m known: log m itself where m is tiny."""
        height = _log_minus_log(self.beta, x * self._stretch)[0]
        return np.where(height < -37.0, height, np.log(-np.expm1(-np.exp(height))))

    @property
    def _stretch(self) -> float:
        return math.sqrt(2.0) if self.beta == 4 else 1.0


def _log_minus_log(beta: int, s: Floats) -> tuple[Floats, Floats]:
    """log(-log F) and its derivative in s; the table, the series on its left, the Airy tail on its right."""
    coefficients, derivative = _table(beta)
    s = np.clip(s, -_FURTHEST, _FURTHEST)
    z = 2.0 * (np.clip(s, _LOW, _HIGH) - _LOW) / (_HIGH - _LOW) - 1.0
    height = np.asarray(chebyshev.chebval(z, coefficients), np.float64)
    slope = np.asarray(chebyshev.chebval(z, derivative) * 2.0 / (_HIGH - _LOW), np.float64)
    left, right = s < _LOW, s > _HIGH
    height[left], slope[left] = _left(beta, -s[left])
    height[right], slope[right] = _right(beta, s[right], float(coefficients.sum()))
    return height, slope


@functools.cache
def _table(beta: int) -> tuple[Floats, Floats]:
    """Chebyshev coefficients of log(-log F) on [_LOW, _HIGH] and of its derivative."""
    z = np.cos(np.pi * (np.arange(_DEGREE + 1) + 0.5) / (_DEGREE + 1))
    s = _LOW + 0.5 * (_HIGH - _LOW) * (z + 1.0)
    values = np.array([_log_minus_log_from(beta, _eigenvalues(float(point))) for point in s])
    coefficients = np.asarray(chebyshev.chebfit(z, values, _DEGREE), dtype=np.float64)
    return coefficients, np.asarray(chebyshev.chebder(coefficients), dtype=np.float64)


@functools.lru_cache(maxsize=_DEGREE + 1)  # shared by the three betas
def _eigenvalues(s: float) -> Floats:
    """Eigenvalues of the discretised B_s, the negligible ones dropped."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    length = max(16.0 - s, 8.0)  # Ai(s + length) < 1e-18 Ai(s)
    x, root = 0.5 * length * (nodes + 1.0), np.sqrt(0.5 * length * weights)
    kernel = scipy.special.airy(x[:, None] + x[None, :] + s)[0]
    values = np.linalg.eigvalsh(root[:, None] * kernel * root[None, :])
    return np.asarray(values[np.abs(values) > 1e-18 * np.abs(values).max()])


def _log_minus_log_from(beta: int, eigenvalues: Floats) -> float:
    if beta == 4:  # (E(+) + E(-))/2 - 1 = e_2 + e_4 + ..., symmetric functions: no cancellation of e_1
        even = _elementary(eigenvalues)[2::2].sum()
        return math.log(-math.log1p(even))
    square = eigenvalues**2 if beta == 2 else eigenvalues
    return math.log(-float(np.log1p(-square).sum()))


def _elementary(values: Floats) -> Floats:
    """Elementary symmetric functions e_0, e_1, ... of the values."""
    e = np.zeros(len(values) + 1)
    e[0] = 1.0
    for value in values:
        e[1:] += value * e[:-1]
    return e


def _left(beta: int, r: Floats) -> tuple[Floats, Floats]:
    """The series at s = -r: log F_2 and mu = log(E(-)/E(+)), each with its derivative in r."""
    k = np.arange(len(_HASTINGS_MCLEOD))
    square = np.convolve(_HASTINGS_MCLEOD, _HASTINGS_MCLEOD)[: len(k)]
    mu_powers, mu_factors = 1.5 - 3.0 * k, _HASTINGS_MCLEOD / math.sqrt(2.0) / (1.5 - 3.0 * k)
    powers: Floats = np.asarray(np.delete(3.0 - 3.0 * k, 1), np.float64)
    factors = np.asarray(-0.5 * np.delete(square, 1) / (powers * (powers - 1.0)), np.float64)
    f2 = _powers(r, powers, factors) + 0.5 * square[1] * np.log(r) + math.log(2.0) / 24.0 + _ZETA
    df2 = _powers(r, powers - 1.0, factors * powers) + 0.5 * square[1] / r
    mu = _powers(r, mu_powers, mu_factors) + 0.5 * math.log(2.0)
    dmu = _powers(r, mu_powers - 1.0, mu_factors * mu_powers)
    if beta == 1:
        f2, df2 = 0.5 * (f2 - mu), 0.5 * (df2 - dmu)
    if beta == 4:
        f2 = 0.5 * (f2 + mu) - math.log(2.0) + np.log1p(np.exp(-mu))  # log cosh(mu/2)
        df2 = 0.5 * (df2 + dmu * np.tanh(0.5 * mu))
    return np.log(-f2), -df2 / f2


def _powers(r: Floats, powers: npt.ArrayLike, factors: npt.ArrayLike) -> Floats:
    return np.asarray(np.atleast_1d(factors) @ r ** np.atleast_1d(powers)[:, None], dtype=np.float64)


def _right(beta: int, s: Floats, at_high: float) -> tuple[Floats, Floats]:
    """1 - F ~ const s**-q exp(-p s**1.5), (p, q) = (2/3, 3/4), (4/3, 3/2), (4/3, 3/2 + 3/2) for beta 1, 2, 4."""
    rate, power = {1: (2 / 3, 0.75), 2: (4 / 3, 1.5), 4: (4 / 3, 3.0)}[beta]
    height = at_high - rate * (s**1.5 - _HIGH**1.5) - power * np.log(s / _HIGH)
    return height, -1.5 * rate * np.sqrt(s) - power / s
