"""The peaks of many HTMP likelihoods, with the intervals of log kappa: what `Likelihood` finds of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.htmp_lanes import Lanes
from htmu_diag.fits.htmp_likelihood import HIGHEST, LOWEST
from htmu_diag.fits.htmp_profiles import Profiles, at_each, newton
from htmu_diag.fits.htmp_search import Found
from htmu_diag.fits.sextic import SIDE, tops
from htmu_diag.laws.htmp_lattice import POINTS, STEP, Indices, Row, grid_row, lattice
from htmu_diag.laws.htmp_windows import STARTS, WIDTH
from htmu_diag.spectrum import Floats

__all__ = ["Peaks", "peaks"]

Mask = npt.NDArray[np.bool_]

_SETTLED, _STEPS = 0.02, 4  # standard errors in v of the last of Newton's steps, and how many
_AROUND = np.arange(-SIDE, SIDE + 1)
_ORDER = np.arange(POINTS)


@dataclass(frozen=True)
class Peaks:
    """(k,) each, as of `Peak`. settled: found, and well enough; else nothing of the lane is to be used."""

    u: Floats
    v: Floats
    u_stderr: Floats
    v_stderr: Floats
    heights: Floats
    edge: Mask
    settled: Mask
    rows: list[Row]


def peaks(lanes: Lanes, found: Found, known: Profiles) -> Peaks:
    """From the profiles in the windows of all lanes."""
    begins = STARTS[found.numbers]
    top = known.heights.argmax(axis=1)
    centre = np.minimum(np.maximum(top, SIDE), WIDTH - 1 - SIDE)
    lowest, highest = LOWEST - begins, HIGHEST - begins
    seven = centre[:, None] + _AROUND
    place, bend, v, drift = tops(at_each(known.heights, seven), at_each(known.v, seven), top - centre)
    at = centre + place
    first = np.minimum(np.maximum(np.floor(at + 1e-12).astype(np.intp) - POINTS // 2 + 1, 0), WIDTH - POINTS)
    shares = _lagrange(at - first)
    rows = _rows(lanes, found, begins + first, shares)
    v, height, curvature, settled = _polished(lanes, found, v, rows)
    with np.errstate(divide="ignore"):
        u_var = np.where(bend < 0, -(STEP**2) / np.where(bend < 0, bend, -1.0), np.inf)
        v_var = -1 / np.minimum(curvature, -1e-300) + np.where(bend < 0, (drift / STEP) ** 2, 0.0) * np.where(
            bend < 0, u_var, 0.0
        )
    return Peaks(
        (begins + at) * STEP,
        v,
        np.sqrt(u_var),
        np.sqrt(v_var),
        height,
        (top == lowest) | (top == highest),
        settled,
        [row for row, _ in rows],
    )


def _rows(lanes: Lanes, found: Found, places: Indices, shares: Floats) -> list[tuple[Row, Floats]]:
    """The row of each peak, and the third derivatives of its log g."""
    gammas = [lanes.lanes[k].gamma for k in found.lanes.tolist()]
    six = map(_six, gammas, places.tolist())
    data = [np.dot(share, rows).reshape(6, -1) for share, rows in zip(shares, six, strict=True)]
    return [(Row(lattice(gamma), each[:5]), each[5]) for gamma, each in zip(gammas, data, strict=True)]


@lru_cache(maxsize=256)  # 240 kB; the laws of a ratio are alike
def _six(gamma: float, first: int) -> Floats:
    """(6, 6 m): rows of the grid from this place on, each with its third derivatives."""
    rows = np.stack([grid_row(gamma, first + i).data for i in range(POINTS)])
    third = np.gradient(rows[:, 2:3], lattice(gamma).nodes, axis=2)
    return np.concatenate([rows, third], axis=1).reshape(POINTS, -1)


def _polished(
    lanes: Lanes, found: Found, v: Floats, rows: Sequence[tuple[Row, Floats]]
) -> tuple[Floats, Floats, Floats, Mask]:
    """v, height, curvature in v, and whether they are found, of these rows, by Newton's method."""
    v, settled = v.copy(), np.zeros(v.size, np.bool_)
    slopes, left = np.empty((3, v.size)), np.arange(v.size)
    for _ in range(_STEPS):
        slopes[:, left] = lanes.under([rows[k] for k in left.tolist()], found.lanes[left], v[left])
        gain, step, misses = newton(slopes[:, left])
        slopes[0, left] += gain
        v[left] += step
        settled[left] = misses < _SETTLED**2
        left = left[~(misses < _SETTLED**2)]
        if not left.size:
            break
    return v, slopes[0], slopes[2], settled


def _lagrange(x: Floats) -> Floats:
    """(k, 6): weights of the values at 0, 1, ..., 5 in the polynomial through them, at x."""
    apart = x[:, None] - _ORDER
    apart = np.where(np.abs(apart) < 1e-12, 0.0, apart)
    found = np.empty_like(apart)
    for i in _ORDER:
        others = i != _ORDER
        found[:, i] = (apart[:, others] / (i - _ORDER[others])).prod(axis=1)
    return found
