"""The polynomial of degree six through seven values at -3, ..., 3: the top of a smooth curve, interpolated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["SIDE", "Sextic"]

SIDE = 3  # points on each side of the middle one
_TO_POWERS = np.linalg.inv(np.vander(np.arange(-SIDE, SIDE + 1.0), increasing=True))
_FINE = np.linspace(-1.0, 1.0, 401)


@dataclass(frozen=True)
class Sextic:
    """The polynomial through values at -3, ..., 3, by its coefficients, lowest first."""

    coefficients: Floats

    @classmethod
    def through(cls, values: list[float]) -> Sextic:
        return cls(_TO_POWERS @ np.array(values))

    def at(self, x: float) -> float:
        return float(np.polyval(self.coefficients[::-1], x))

    def slope(self, x: float) -> float:
        return float(np.polyval(self._derivative[::-1], x))

    def bend(self, x: float) -> float:
        return float(np.polyval((self._derivative * np.arange(2 * SIDE))[:0:-1], x))

    def highest(self, near: int) -> float:
        """Where it is highest within one of near, to 1e-3 of that, then by one step of Newton's method."""
        x = np.clip(near + _FINE, -SIDE, SIDE)
        best = float(x[np.argmax(np.polyval(self.coefficients[::-1], x))])
        bend = self.bend(best)
        step = -self.slope(best) / bend if bend < 0 else 0.0
        return float(min(max(best + min(max(step, -0.01), 0.01), x[0]), x[-1]))

    @property
    def _derivative(self) -> Floats:
        return self.coefficients[1:] * np.arange(1, 2 * SIDE + 1)
