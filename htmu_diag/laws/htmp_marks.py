"""A variable in which HTMP laws of all aspect ratios look alike: it follows the Marchenko-Pastur edges.

It is linear in t = log(x/mean) between the edges, and logarithmic in the distance on either side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["Marks"]

_LOWEST = -780.0  # in t, below the lattice
_FAR = 1e4  # times 1 + mean: the end above
_HARD, _WIDTH = -3.0, 1.0  # in place of the lower edge that a square matrix does not have


@dataclass(frozen=True)
class Marks:
    """The variable m of t = log(x/mean): 0 to 1 below the bulk, 1 to 2 in it, 2 to 3 above.

    low, high: the edges in t. below, above: how wide they are at this kappa. end: the largest t, mark 3.
    """

    low: float
    high: float
    below: float
    above: float
    end: float

    @classmethod
    def of(cls, gamma: float, kappa: float) -> Marks:
        s, fine = math.sqrt(gamma), (1 + kappa / 2) ** (-2 / 3)
        high, above = 2 * math.log1p(s), fine * s * (1 + s) ** (-2 / 3)
        end = math.log(_FAR * (1 + 2 * gamma / kappa))
        if gamma == 1:
            return cls(_HARD, high, _WIDTH, above, end)
        return cls(2 * math.log1p(-s), high, fine * s * (1 - s) ** (-2 / 3), above, end)

    @property
    def _lengths(self) -> tuple[float, float]:
        return math.log1p((self.low - _LOWEST) / self.below), math.log1p((self.end - self.high) / self.above)

    def t(self, marks: Floats) -> Floats:
        """Of marks (n,)."""
        left, right = self._lengths
        before = self.low - self.below * np.expm1((1 - marks) * left)
        after = self.high + self.above * np.expm1((marks - 2) * right)
        inside = self.low + (self.high - self.low) * (marks - 1)
        return np.asarray(np.where(marks < 1, before, np.where(marks > 2, after, inside)))

    @staticmethod
    def at(several: Sequence[Marks], t: Floats) -> Floats:
        """(3, k, n): of k such variables, the marks of t (k, n) and their first two derivatives."""
        low, high, below, above, left, right = np.array(
            [[each.low, each.high, each.below, each.above, *each._lengths] for each in several]
        ).T[:, :, None]
        width, outside = high - low, np.where(t < low, below + low - t, above + t - high)
        first, second = t < low, t < high
        length, unit = np.where(first, left, right), np.where(first, below, above)
        found = np.empty((3, *t.shape))
        with np.errstate(invalid="ignore"):  # within the bulk, where the straight line is taken
            log = np.log(outside / unit) / length
        found[0] = np.where(first, 1 - log, np.where(second, 1 + (t - low) / width, 2 + log))
        found[1] = np.where(first | ~second, 1 / (outside * length), 1 / width)
        found[2] = np.where(first, found[1] / outside, np.where(second, 0.0, -found[1] / outside))
        return found
