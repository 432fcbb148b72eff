"""What Selberg's integral says of the statistic T of ``joint_repulsion``: its mean for every repulsion b.

The derivative of the logarithm of the integral is a sum of digamma functions, which rises to its limit, that of a
crystal of eigenvalues. What is missing to the limit is

    E_inf[T] - E_b[T] = (sum_j p(j b/2) + sum_j p((m - n + j) b/2) - n p(b/2) - p(n m b/2)) / b

with p(x) = x (log x - psi(x)), j from 1 to n, m columns. p falls from 1 to 1/2 and is smooth on the scale of x itself,
so the sums need the terms of few j: the first ones and Gauss's rule for sums in blocks that grow. Nothing in them
cancels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["Selberg", "selberg"]

_LOW, _HIGH = math.log(1e-5), math.log(100.0)  # of log b
_NODES, _CELLS = 49, 512  # in log b: of the interpolation (to 1e-6), and of the table that it is read from (to 1e-4)
_STEP = (_HIGH - _LOW) / _CELLS
_GRID = np.linspace(_LOW, _HIGH, _CELLS + 1)
_EACH, _GROWTH, _POINTS = 16, 3, 8  # terms taken one by one, blocks from j to 3 j, points of a block: to 1e-9
_SHIFT = 8.0  # psi at x + 8 by its series


@dataclass(frozen=True)
class Selberg:
    """The mean of T as a function of b, for n eigenvalues of so many columns.

    limit: E_inf[T]; closeness: (513,) -log(limit - E_b[T]) over the grid of log b, ascending and nearly a line.
    """

    limit: float
    closeness: Floats

    def repulsion(self, found: float) -> float:
        """b in [1e-5, 100] whose mean this is."""
        missing = self.limit - found
        return math.exp(np.interp(-math.log(missing), self.closeness, _GRID)) if missing > 0 else math.exp(_HIGH)

    def stderr(self, repulsion: float) -> float:
        """That of log b: T multiplies b in an exponential family, so its variance is the derivative of its mean."""
        at = min(max(math.log(repulsion), _LOW + _STEP), _HIGH - _STEP)
        below, here, above = np.interp([at - _STEP, at, at + _STEP], _GRID, self.closeness)
        return 1 / math.sqrt(math.exp(at - here) * (above - below) / (2 * _STEP))


@lru_cache(maxsize=256)
def selberg(n: int, columns: float) -> Selberg:
    """Of one shape; a table of 4 kB."""
    nodes, to_grid = _interpolation()
    closeness = to_grid @ (nodes - np.log(_missing(np.exp(nodes), n, columns) * np.exp(nodes)))
    rows = np.arange(1.0, n + 1)
    free = columns - n + rows
    limit = rows @ np.log(rows) + free @ np.log(free) - n * columns * math.log(n * columns)
    return Selberg(0.5 * float(limit), closeness)


def _missing(b: Floats, n: int, columns: float) -> Floats:
    """E_inf[T] - E_b[T] at every b."""
    rows, weights = _few_of(n)
    half = b[:, None] / 2
    places = half * np.concatenate([rows, columns - n + rows, [1.0, n * columns]])
    found: Floats = _gap(places) @ np.concatenate([weights, weights, [-n, -1.0]]) / b
    return found


def _gap(x: Floats) -> Floats:
    """x (log x - psi(x)) of positive x: psi by recurrence from x + 8, its eight terms in pairs."""
    y, z = x * (x + 7), x + _SHIFT
    below = (2 * x + 7) * ((2 * y + 6) / (y * (y + 6)) + (2 * y + 22) / ((y + 10) * (y + 12)))
    w = 1 / (z * z)
    series = w * (1 / 12 - w * (1 / 120 - w * (1 / 252 - w * (1 / 240 - w / 132))))
    return np.asarray(x * (below - np.log1p(_SHIFT / x) + 0.5 / z + series))


@lru_cache(maxsize=256)
def _few_of(n: int) -> tuple[Floats, Floats]:
    """Places and weights: sums over 1, ..., n of a function that is smooth on the scale of its argument."""
    places, weights = [np.arange(1.0, min(n, _EACH) + 1)], [np.ones(min(n, _EACH))]
    last = _EACH
    while last < n:
        first, last = last, min(_GROWTH * last, n)
        at, weight = _block(last - first)
        places.append(first + at)
        weights.append(weight)
    return np.concatenate(places), np.concatenate(weights)


@lru_cache(maxsize=256)
def _block(n: int) -> tuple[Floats, Floats]:
    """Gauss's rule for the sum over 1, ..., n, from the recurrence of the discrete Chebyshev polynomials."""
    k = np.arange(1.0, min(n, _POINTS))
    beside = np.sqrt(k**2 * (n**2 - k**2) / (4 * (4 * k**2 - 1)))
    at, vectors = np.linalg.eigh(np.diag(beside, 1) + np.diag(beside, -1))
    return at + (n + 1) / 2, n * vectors[0] ** 2


@lru_cache(maxsize=1)
def _interpolation() -> tuple[Floats, Floats]:
    """Chebyshev points of log b, and the matrix from values there to the grid."""
    k = np.arange(_NODES)
    points = np.cos(np.pi * (k + 0.5) / _NODES)
    middle, half = (_LOW + _HIGH) / 2, (_HIGH - _LOW) / 2
    angles = np.arccos(np.clip((_GRID - middle) / half, -1.0, 1.0))
    weights = np.where(k == 0, 1.0, 2.0) / _NODES
    to_grid = (np.cos(angles[:, None] * k) * weights) @ np.cos(np.outer(k, np.arccos(points)))
    return middle + half * points, to_grid
