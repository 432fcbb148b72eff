"""The maximum over v = log scale in each row of a window, from likelihoods and slopes at a few v.

Between the last v on the rising side and the first on the falling side lies the maximum. Where the two are near, the
polynomial of degree five through the heights, slopes and curvatures at both has it; near one of them Newton's step has
it; elsewhere it is not settled, and these say where to look next.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["Profiles", "newton", "profiles"]

Mask = npt.NDArray[np.bool_]

_NEARLY = 0.1  # standard errors in v: Newton's method squares it
_APART = 2.5  # standard errors between two places up to which the polynomial is exact enough
_STEP = 1.0  # in v at most, from one place alone
_ITERATIONS = 2


@dataclass(frozen=True)
class Profiles:
    """(k, rows) each: the maximum over v, its place, and whether they are known well enough."""

    heights: Floats
    v: Floats
    settled: Mask


def newton(slopes: Floats) -> tuple[Floats, Floats, Floats]:
    """Gain, step in v, and squared step in standard errors (infinite where the likelihood is not concave), by Newton's
    method from (3, ...) heights, slopes and curvatures."""
    slope, bend = slopes[1], slopes[2]
    flat = bend >= 0
    bend = np.minimum(bend, -1e-300)
    step = -slope / bend
    np.minimum(np.maximum(step, -_STEP, out=step), _STEP, out=step)
    gain = step * (slope + step * bend / 2)
    misses = -step * step * bend
    gain[flat], misses[flat] = 0.0, np.inf
    return gain, step, misses


def profiles(v: Floats, slopes: Floats) -> Profiles:
    """v: (places, k), NaN where there is none; slopes: (3, places, k, rows)."""
    gain, step, misses = newton(slopes)
    if len(v) == 1:
        return Profiles(slopes[0, 0] + gain[0], v[0, :, None] + step[0], misses[0] < _NEARLY**2)
    near = _of_place(np.where(np.isnan(misses), np.inf, misses).argmin(axis=0))
    height, place, settled = (slopes[0] + gain)[near], (v[:, :, None] + step)[near], misses[near] < _NEARLY**2
    rising, falling = slopes[1] > 0, slopes[1] <= 0
    v = np.broadcast_to(v[:, :, None], misses.shape)
    sides = np.where(rising, v, -np.inf).argmax(axis=0), np.where(falling, v, np.inf).argmin(axis=0)
    (v0, h0, s0, c0), (v1, h1, s1, c1) = ((v[at], *(each[at] for each in slopes)) for at in map(_of_place, sides))
    width = v1 - v0
    between = (s0 > 0) & (s1 <= 0) & (c0 < 0) & (c1 < 0) & (width * width * -np.minimum(c0, c1) < _APART**2)
    k, row = np.nonzero(between)
    if k.size:
        of = k, row
        ends = (np.stack([h0[of], s0[of], c0[of]]), np.stack([h1[of], s1[of], c1[of]]))
        height[of], share = _between(width[of], *ends)
        place[of] = v0[of] + share * width[of]
        settled |= between
    return Profiles(height, place, settled)


def _of_place(at: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], ...]:
    """The index of one place for each lane and row."""
    return at, *_grid(at.shape)


@lru_cache(maxsize=8)
def _grid(shape: tuple[int, ...]) -> tuple[npt.NDArray[np.intp], ...]:
    return tuple(np.indices(shape, sparse=True))


def _between(width: Floats, left: Floats, right: Floats) -> tuple[Floats, Floats]:
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
        x = np.minimum(np.maximum(x - slope / np.minimum(bend, -1e-300), 0.0), 1.0)
    return p0 + x * (p1 + x * (p2 + x * (p3 + x * (p4 + x * p5)))), x
