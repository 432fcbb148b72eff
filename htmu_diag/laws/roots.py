"""Quantiles of any law: Newton's iteration on the logarithm of the smaller tail, kept inside a bracket.

In log-probability the equation is nearly linear in the tails, so a few steps suffice; where Newton leaves the bracket,
bisection takes over, so that the iteration cannot fail on a monotone function. Laws on the positive half-line are
solved in log x (their quantiles can span hundreds of orders of magnitude), others in x.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["quantile_root"]

# Bisection alone halves a bracket of 1500 (all of log float64) to 1e-13 in 54 steps; Newton needs 5 to 10.
_MOST_STEPS = 80
# Far out log-probability is exponential in log x, where Newton crawls by one unit a step: bisect first.
_NEWTON_WITHIN = 4.0


class _Solvable(Protocol):
    def logpdf(self, x: npt.ArrayLike) -> Floats: ...
    def logcdf(self, x: npt.ArrayLike) -> Floats: ...
    def logsf(self, x: npt.ArrayLike) -> Floats: ...
    def support(self) -> tuple[float, float]: ...


def quantile_root(law: _Solvable, log_q: Floats, log_p: Floats) -> Floats:
    """The x with logcdf(x) = log_q where q <= p = 1 - q, and logsf(x) = log_p elsewhere; (n,) like its arguments."""
    low, high = law.support()
    positive = low >= 0.0
    lower = log_q <= log_p
    target = np.where(lower, log_q, log_p)

    def gap_and_slope(u: Floats) -> tuple[Floats, Floats]:
        x = np.exp(u) if positive else u
        logcdf = np.where(lower, law.logcdf(x), law.logsf(x))
        sign = np.where(lower, 1.0, -1.0)
        log_slope = law.logpdf(x) - logcdf + (u if positive else 0.0)
        return sign * (logcdf - target), np.exp(np.minimum(log_slope, 700.0))

    a, b = _ends(low, high, positive)
    u = _iterate(gap_and_slope, np.full_like(target, a), np.full_like(target, b))
    return np.exp(u) if positive else u


def _ends(low: float, high: float, positive: bool) -> tuple[float, float]:
    if positive:
        return (math.log(low) if low > 0.0 else -745.0), (math.log(high) if high < math.inf else 709.0)
    return max(low, -1e3), min(high, 1e3)


def _iterate(gap_and_slope: Callable[[Floats], tuple[Floats, Floats]], a: Floats, b: Floats) -> Floats:
    u = 0.5 * (a + b)
    for _ in range(_MOST_STEPS):
        with np.errstate(all="ignore"):
            gap, slope = gap_and_slope(u)
            step = gap / slope
        a, b = np.where(gap < 0, u, a), np.where(gap > 0, u, b)
        newton = u - step
        safe = (b - a < _NEWTON_WITHIN) & (newton > a) & (newton < b)
        new = np.where(gap == 0, u, np.where(safe, newton, 0.5 * (a + b)))
        if (np.abs(new - u) <= 1e-14 * np.maximum(1.0, np.abs(u))).all():
            return new
        u = new
    return u
