"""The polynomial of degree six through seven values at -3, ..., 3, and the parabola through three: tops of curves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["SIDE", "Sextic", "through_all", "tops", "values_of", "vertices"]

Indices = npt.NDArray[np.intp]

SIDE = 3  # points on each side of the middle one
_TO_POWERS = np.linalg.inv(np.vander(np.arange(-SIDE, SIDE + 1.0), increasing=True))
_FINE = np.linspace(-1.0, 1.0, 401)
_ORDERS = np.arange(2 * SIDE + 1.0)
_NEAR, _NEWTON_STEPS = 0.1, 3  # of the coarse places, and Newton's method from the highest of them
_PLACES = np.clip(np.arange(-SIDE, SIDE + 1)[:, None] + np.linspace(-1.0, 1.0, 21), -SIDE, SIDE)


@dataclass(frozen=True)
class Sextic:
    """The polynomial through values at -3, ..., 3, by its coefficients, lowest first."""

    coefficients: Floats

    @classmethod
    def through(cls, values: list[float]) -> Sextic:
        return cls(_TO_POWERS @ np.array(values))

    def at(self, x: float) -> float:
        return _value(self.coefficients.tolist(), x)

    def slope(self, x: float) -> float:
        return _value(self._derivative.tolist(), x)

    def bend(self, x: float) -> float:
        return _value((self._derivative * _ORDERS[:-1])[1:].tolist(), x)

    def highest(self, near: int) -> float:
        """Where it is highest within one of near, to 1e-3 of that, then by one step of Newton's method."""
        x, powers = _fine(near)
        best = float(x[(powers @ self.coefficients).argmax()])
        bend = self.bend(best)
        step = -self.slope(best) / bend if bend < 0 else 0.0
        return float(min(max(best + min(max(step, -0.01), 0.01), x[0]), x[-1]))

    @cached_property
    def _derivative(self) -> Floats:
        return self.coefficients[1:] * _ORDERS[1:]


def tops(heights: Floats, beside: Floats, near: Indices) -> tuple[Floats, Floats, Floats, Floats]:
    """Of many at once, (k, 7) heights: the place of the top within one of near, and the bend there; of the polynomials
    through ``beside`` (k, 7): value and slope there."""
    curves = (np.stack([heights, beside])[:, :, None, :] * _TO_POWERS).sum(axis=3)
    orders = np.zeros((3, *curves.shape))  # of the value, the slope, the second derivative
    orders[0] = curves
    for lower, higher in ((0, 1), (1, 2)):
        np.multiply(orders[lower, :, :, 1:], _ORDERS[1:], out=orders[higher, :, :, :-1])
    of_height, each = orders[:, 0], np.arange(near.size)
    places = _PLACES[near + SIDE]
    x = places[each, values_of(of_height[0], places).argmax(axis=1)]
    low, high = np.maximum(near - 1, -SIDE), np.minimum(near + 1, SIDE)
    for _ in range(_NEWTON_STEPS):
        slope, bend = (of_height[1:] * _powers(x)).sum(axis=2)
        step = np.where(bend < 0, -slope / np.minimum(bend, -1e-300), 0.0)
        x = np.minimum(np.maximum(x + np.minimum(np.maximum(step, -_NEAR), _NEAR), low), high)
    powers = _powers(x)
    return x, (of_height[2] * powers).sum(axis=1), *(orders[:2, 1] * powers).sum(axis=2)


def _powers(x: Floats) -> Floats:
    """(k, 7): 1, x, x**2 and so on."""
    found = np.empty((x.size, 2 * SIDE + 1))
    found[:, 0], found[:, 1:] = 1.0, x[:, None]
    return np.multiply.accumulate(found, axis=1, out=found)


@lru_cache(maxsize=2 * SIDE + 1)
def _fine(near: int) -> tuple[Floats, Floats]:
    """Points about near within the seven, and their powers."""
    x = np.clip(near + _FINE, -SIDE, SIDE)
    return x, np.vander(x, 2 * SIDE + 1, increasing=True)


def _value(coefficients: list[float], x: float) -> float:
    found = 0.0
    for coefficient in reversed(coefficients):
        found = found * x + coefficient
    return found


def through_all(values: Floats) -> Floats:
    """(k, 7) coefficients of the polynomials through k times seven values, (k, 7)."""
    return np.asarray(np.matmul(_TO_POWERS, values[:, :, None])[:, :, 0])


def values_of(coefficients: Floats, x: Floats) -> Floats:
    """Of k polynomials, (k, orders) coefficients, at x, (k,) or (k, m)."""
    lines = coefficients.T.reshape(coefficients.shape[::-1] + (1,) * (x.ndim - 1))
    found: Floats = lines[-1] * np.ones(x.shape)
    for line in lines[-2::-1]:
        found = found * x + line
    return found


def vertices(left: Floats, top: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Places and heights of the tops of parabolas through values at -1, 0, 1, at most one from the middle; the middle
    where one opens upward."""
    bend = left - 2 * top + right
    move = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, 1.0), 0.0)
    move = np.minimum(np.maximum(move, -1.0), 1.0)
    return move, top - 0.25 * (left - right) * move
