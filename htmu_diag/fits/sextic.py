"""The polynomial of degree six through seven values at -3, ..., 3, and the parabola through three: tops of curves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["SIDE", "Sextic", "vertex"]

SIDE = 3  # points on each side of the middle one
_TO_POWERS = np.linalg.inv(np.vander(np.arange(-SIDE, SIDE + 1.0), increasing=True))
_FINE = np.linspace(-1.0, 1.0, 401)
_ORDERS = np.arange(2 * SIDE + 1.0)


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


def vertex(left: float, top: float, right: float) -> tuple[float, float]:
    """Place and height of the top of the parabola through values at -1, 0, 1, at most one from the middle; the middle
    where it opens upward."""
    bend = left - 2 * top + right
    move = min(max(0.5 * (left - right) / bend, -1.0), 1.0) if bend < 0 else 0.0
    return move, top - 0.25 * (left - right) * move


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
