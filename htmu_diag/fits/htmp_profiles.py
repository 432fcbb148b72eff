"""The maximum over v = log scale in each row of a window, from likelihoods and slopes at a few v.

Between the last v on the rising side and the first on the falling side lies the maximum. Where the two are near, the
polynomial of degree five through the heights, slopes and curvatures at both has it; near one of them Newton's step has
it; elsewhere it is not settled, and these say where to look next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["NEARLY", "ROUGHLY", "Brackets", "Profiles", "at_each", "newton"]

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

NEARLY, ROUGHLY = 0.1, 0.35  # standard errors in v: Newton's method squares it
_AS_HIGH = 0.1  # of a height beside another that Newton's method may leave below it, with room
_APART = 2.5  # standard errors between two places up to which the polynomial is exact enough
_STEP = 1.0  # in v at most, from one place alone
_ITERATIONS = 2
_FLAT = 1e-300  # a curvature of nothing

Scalar = TypeVar("Scalar", bound=np.generic)


def at_each(numbers: npt.NDArray[Scalar], columns: Indices) -> npt.NDArray[Scalar]:
    """Of (k, n) numbers in each row the one in this column (k,), or those in these (k, m)."""
    rows = numbers.shape[1] * np.arange(len(columns))
    return np.asarray(numbers.ravel().take(columns + (rows if columns.ndim == 1 else rows[:, None])))


def _of(some: Indices | Mask, numbers: npt.NDArray[Scalar], axis: int) -> npt.NDArray[Scalar]:
    """Half the price of brackets."""
    return numbers.compress(some, axis) if some.dtype == np.bool_ else numbers.take(some, axis)


@dataclass(frozen=True)
class Profiles:
    """(k, rows) each: the maximum over v, its place, and the squared distance to it in standard errors from where the
    likelihood is known."""

    heights: Floats
    v: Floats
    misses: Floats

    @classmethod
    def empty(cls, count: int, rows: int) -> Profiles:
        return cls(*np.full((3, count, rows), np.nan))

    def settled(self, top: Floats) -> Mask:
        """Whether it is known well enough beside the highest, top (k,): better where it might be as high."""
        return np.asarray(self.misses < np.where(self.heights > top[:, None] - _AS_HIGH, NEARLY, ROUGHLY) ** 2)

    def __getitem__(self, some: Indices | Mask) -> Profiles:
        return Profiles(_of(some, self.heights, 0), _of(some, self.v, 0), _of(some, self.misses, 0))

    def put(self, some: Indices, known: Profiles) -> None:
        """What is known of these lanes."""
        self.heights[some], self.v[some], self.misses[some] = known.heights, known.v, known.misses


@dataclass(frozen=True)
class Brackets:
    """(2, 4, k, rows): v, height, slope and curvature at the last v on the rising side, and at the first on the falling
    side; NaN where there is none."""

    sides: Floats

    @classmethod
    def empty(cls, count: int, rows: int) -> Brackets:
        return cls(np.full((2, 4, count, rows), np.nan))

    def __getitem__(self, some: Indices | Mask) -> Brackets:
        return Brackets(_of(some, self.sides, 2))

    def forget(self, some: Indices | Mask) -> None:
        """Of these lanes, what is known."""
        self.sides[:, :, some] = np.nan

    def see(self, v: Floats, slopes: Floats) -> None:
        """Likelihoods of all lanes, each at one v: v (k,), slopes (3, k, rows), NaN where there are none."""
        at = v[:, None]
        nearer = (slopes[1] > 0) & ~(at <= self.sides[0, 0]), (slopes[1] <= 0) & ~(at >= self.sides[1, 0])
        for side, where in zip(self.sides, nearer, strict=True):
            np.copyto(side[0], at, where=where)
            np.copyto(side[1:], slopes, where=where)

    def profiles(self) -> Profiles:
        left, right = self.sides
        s, c = self.sides[:, 2], self.sides[:, 3]
        far = s * s / -np.minimum(c, -_FLAT)
        height, v, miss = _stepped(np.where(~(far[1] < far[0]) & (left[0] == left[0]), left, right))  # from the nearer
        width = right[0] - left[0]
        both = width == width
        if both.any():
            outside = both & ~((v - left[0]) * (right[0] - v) > 0)  # of what is known to hold the maximum
            np.copyto(v, left[0] + width / 2, where=outside)
            steepest = -np.minimum(c[0], c[1])
            k, row = np.nonzero((c[0] < 0) & (c[1] < 0) & (width * width * steepest < _APART**2))
            if k.size:
                at = k * width.shape[1] + row
                (start, *low), high = left.reshape(4, -1).take(at, axis=1), right.reshape(4, -1)[1:].take(at, axis=1)
                apart = width.ravel().take(at)
                height[k, row], share = _between(apart, low, high)
                v[k, row] = start + share * apart
                miss[k, row] = 0.0
        return Profiles(height, v, miss)


def _stepped(known: Floats) -> tuple[Floats, Floats, Floats]:
    """Height, v and misses after Newton's step from (4, ...) v, height, slope and curvature; misses of nothing known
    are infinite."""
    gain, step, misses = newton(known[1:])
    misses[np.isnan(misses)] = np.inf
    return known[1] + gain, known[0] + step, misses


def newton(slopes: Floats) -> tuple[Floats, Floats, Floats]:
    """Gain, step in v, and squared step in standard errors (infinite where the likelihood is not concave), by Newton's
    method from (3, ...) heights, slopes and curvatures."""
    slope, bend = slopes[1], slopes[2]
    flat = bend >= 0
    bend = np.minimum(bend, -_FLAT)
    step = -slope / bend
    np.minimum(np.maximum(step, -_STEP, out=step), _STEP, out=step)
    gain = step * (slope + step * bend / 2)
    misses = -step * step * bend
    gain[flat], misses[flat] = 0.0, np.inf
    return gain, step, misses


def _between(width: Floats, left: Sequence[Floats], right: Floats) -> tuple[Floats, Floats]:
    """Height of the maximum, and how far between the ends, of the polynomial with these heights, slopes and curvatures
    at both."""
    p0, p1, p2 = left[0], left[1] * width, left[2] * width * width / 2
    a, b, c = right[0] - p0 - p1 - p2, right[1] * width - p1 - 2 * p2, right[2] * width * width / 2 - p2
    p3, p4, p5 = 10 * a - 4 * b + c, 7 * b - 15 * a - 2 * c, 6 * a - 3 * b + c
    d1, d2, d3, d4 = 2 * p2, 3 * p3, 4 * p4, 5 * p5
    e2, e3, e4 = 2 * d2, 3 * d3, 4 * d4
    x = left[1] / (left[1] - right[1])
    for _ in range(_ITERATIONS):
        slope, bend = p1 + x * (d1 + x * (d2 + x * (d3 + x * d4))), d1 + x * (e2 + x * (e3 + x * e4))
        x = np.minimum(np.maximum(x - slope / np.minimum(bend, -_FLAT), 0.0), 1.0)
    return p0 + x * (p1 + x * (p2 + x * (p3 + x * (p4 + x * p5)))), x
