"""Maximum likelihood in two or three parameters, with standard errors from the curvature at the maximum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy

from htmu_diag.spectrum import Floats

__all__ = ["Maximum", "maximise", "maximum_at"]

_H = 1e-4  # of the difference quotients, in parameters of order one
_WALL = 1e300


@dataclass(frozen=True)
class Maximum:
    """point: (k,) parameters; stderr: (k,), inf where the likelihood is flat; log_likelihood of the whole sample."""

    point: Floats
    stderr: Floats
    log_likelihood: float
    at_boundary: bool
    converged: bool


def maximise(
    log_likelihood: Callable[[Floats], float], n: int, start: Sequence[float], bounds: Sequence[tuple[float, float]]
) -> Maximum:
    """Maximise the log likelihood of n values inside a box, from ``start``."""

    cost = partial(_cost, log_likelihood, n)
    low, high = np.array(bounds).T
    found = scipy.optimize.minimize(
        cost, np.clip(start, low, high), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9}
    )
    at_boundary = bool(np.any((found.x <= low + 1e-6) | (found.x >= high - 1e-6)))
    return Maximum(found.x, _stderr(cost, found.x, n), -float(found.fun) * n, at_boundary, bool(found.fun < _WALL))


def maximum_at(log_likelihood: Callable[[Floats], float], n: int, point: Sequence[float]) -> Maximum:
    """The maximum of the log likelihood of n values, where that is known already to lie inside the box."""
    found = np.array(point, dtype=np.float64)
    stderr = _stderr(partial(_cost, log_likelihood, n), found, n)
    return Maximum(found, stderr, log_likelihood(found), at_boundary=False, converged=True)


def _cost(log_likelihood: Callable[[Floats], float], n: int, point: Floats) -> float:
    value = log_likelihood(point)
    return -value / n if math.isfinite(value) else _WALL


def _stderr(cost: Callable[[Floats], float], point: Floats, n: int) -> Floats:
    unit = np.eye(point.size) * _H

    def second(i: int, j: int) -> float:
        corners = ((1, 1, 1), (-1, -1, 1), (1, -1, -1), (-1, 1, -1))
        return sum(sign * cost(point + a * unit[i] + b * unit[j]) for a, b, sign in corners) / (4 * _H * _H)

    curvature = np.array([[second(i, j) for j in range(point.size)] for i in range(point.size)])
    if not np.isfinite(curvature).all() or np.linalg.eigvalsh(curvature)[0] <= 0:
        return np.full(point.size, np.inf)
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(curvature)) / n))
