"""The floor of a spectrum (jitter, weight decay): the shift that makes a law likeliest."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import scipy

from htmu_diag.spectrum import Floats

__all__ = ["likeliest_floor"]

_FLOORS = 10  # first guesses


def likeliest_floor(array: Floats, log_likelihood: Callable[[float], float]) -> float:
    """The likeliest floor, by its distance below the smallest value: a mean gap at least, where a density that
    diverges at zero would take over, and all the way to a floor of zero at most."""
    low = np.sort(array)[:6]
    gap = (low[-1] - low[0]) / 5 if low.size == 6 and np.isfinite(low).all() else 0.0
    if not gap > 0 or low[0] <= 2 * gap:
        return 0.0

    def cost(log_distance: float) -> float:
        value = log_likelihood(float(low[0]) - math.exp(log_distance))
        return -value if math.isfinite(value) else math.inf

    grid = np.linspace(math.log(gap), math.log(low[0]), _FLOORS)
    best = int(np.argmin([cost(w) for w in grid]))
    around = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _FLOORS - 1)])
    found = scipy.optimize.minimize_scalar(cost, bounds=around, method="bounded", options={"xatol": 1e-2})
    return max(float(low[0]) - math.exp(float(found.x)), 0.0) if found.fun < cost(float(grid[-1])) else 0.0
