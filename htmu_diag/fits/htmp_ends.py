"""The 95 % intervals of log kappa of many HTMP fits: what `Likelihood.interval` finds of one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.htmp_lanes import Lanes
from htmu_diag.fits.htmp_likelihood import LOWEST
from htmu_diag.fits.htmp_peaks import Peaks
from htmu_diag.fits.htmp_profiles import Profiles, at_each
from htmu_diag.fits.htmp_search import Found
from htmu_diag.laws.htmp_lattice import STEP, Indices
from htmu_diag.laws.htmp_windows import STARTS, WIDTH, WINDOWS
from htmu_diag.spectrum import Floats

__all__ = ["ends"]

Mask = npt.NDArray[np.bool_]

_MOST_ROUNDS = 12
_HIGHER = 1e-6  # of a row beyond, above the peak, for each value: what single precision leaves of a sum
_ON_A_ROW = 1e-12
_BEYOND = np.array(
    [[0, 0, 1, 2, 3, 4, 5, 5], [1, 2, 3, 4, 5, 7, 7, 7]]
)  # the next window that overlaps, on either side


def ends(
    lanes: Lanes, found: Found, known: Profiles, peaks: Peaks, at_peak: Floats, levels: Floats
) -> tuple[Floats, Mask, Floats]:
    """(2, k): both ends of log kappa, infinite where the profile does not fall so far; whether they were found, and
    where a row beyond is higher than the peak, its log kappa.

    known: the profiles of the windows. levels: (2, lanes, rows of the grid), the root of twice the fall of the profile
    at which an interval ends, below and above; at_peak: (2, k), the same at the peaks.
    """
    half = at_peak * peaks.u_stderr
    low_high = np.stack([peaks.u - half[0], peaks.u + half[1]])
    lost, higher = ~peaks.settled, np.full(peaks.u.size, np.nan)
    k, side = np.nonzero((((half[1] >= 2 * STEP) | peaks.edge) & peaks.settled)[:, None] & np.ones(2, np.bool_))
    found, rows = found[k], known[k]
    for _ in range(_MOST_ROUNDS):
        if not k.size:
            break
        look = _looked(found, rows, peaks, k, side, levels, lanes.points[found.lanes])
        done = ~np.isnan(look.end) & ~look.higher
        low_high[side[done], k[done]] = look.end[done]
        lost[k[look.higher]] = True
        higher[k[look.higher]] = look.top[look.higher]
        going = ~done & ~look.higher
        k, side, found, ask, move = k[going], side[going], found[going], look.ask[going], look.move[going]
        if not k.size:
            break
        numbers = np.where(move, _BEYOND[side, found.numbers], found.numbers)
        found.known.forget(move)
        found.known.see(ask, lanes.slopes(found.lanes, numbers, ask))
        found, rows = replace(found, numbers=numbers), found.known.profiles()
    lost[k] = True
    return low_high, ~lost, higher


@dataclass(frozen=True)
class _Look:
    """(k,) each. end: of log kappa, NaN while it is not found; ask: v to look at next, in the next window where move;
    higher: whether a row beyond is higher than the peak; top: log kappa of the highest of these."""

    end: Floats
    ask: Floats
    move: Mask
    higher: Mask
    top: Floats


def _looked(
    found: Found, known: Profiles, peaks: Peaks, k: Indices, side: Indices, levels: Floats, sizes: Indices
) -> _Look:
    """Rows in their order outwards: the first that lies below the level, and the one before it. sizes: values of
    each."""
    places = STARTS[found.numbers][:, None] + np.arange(WIDTH)
    which = (side * levels.shape[1] + found.lanes)[:, None] * levels.shape[2] + places - LOWEST
    inwards = side[:, None] == 0
    places, level, heights, v, settled = (
        np.where(inwards, each[:, ::-1], each)
        for each in (places, levels.ravel().take(which), known.heights, known.v, known.settled(peaks.heights[k]))
    )
    u, top = peaks.u[k, None] / STEP, peaks.heights[k, None]
    sign = np.where(side == 1, 1, -1)
    beyond = places * sign[:, None] > np.where(np.abs(u - np.round(u)) < _ON_A_ROW, np.round(u), u) * sign[:, None]
    fall = np.sqrt(2 * np.maximum(top - heights, 0.0)) / level
    hit = beyond & (fall >= 1)
    some = hit.any(axis=1)
    end = np.where(some, hit.argmax(axis=1), WIDTH - 1)
    before = np.maximum(end - 1, 0)
    inside = at_each(beyond, before) & (end > 0)
    near, far = np.where(inside, at_each(fall, before), 0.0), at_each(fall, end)
    from_u = np.where(inside, at_each(places, before), u[:, 0])
    sure = at_each(settled, end) & (~inside | at_each(settled, before) | ~some)
    last = found.numbers == np.where(side == 1, WINDOWS - 1, 0)
    apart = np.where(some, far - near, 1.0)
    crossing = np.where(some, (from_u + (at_each(places, end) - from_u) * (1 - near) / apart) * STEP, sign * np.inf)
    better = (heights > top + _HIGHER * sizes[:, None]) & settled & beyond
    return _Look(
        np.where(sure & (some | last), crossing, np.nan),
        np.where(at_each(settled, end) & some, at_each(v, before), at_each(v, end)),
        np.asarray(~some & ~last),
        np.asarray(better.any(axis=1)),
        np.asarray(at_each(places, np.where(better, heights, -np.inf).argmax(axis=1)) * STEP, np.float64),
    )
