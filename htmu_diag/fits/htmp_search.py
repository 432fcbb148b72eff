"""Where the HTMP likelihoods of many lanes are highest: the peaks that `Likelihood.maximise` finds one by one.

In rounds: all lanes get their likelihood in a window of rows of their own at a v of their own, and what a lane asks
next depends on what it got alone. First the top row is looked for; then come the v of the rows at both ends of what is
needed, so that the maxima of all rows between are known; at last the point between the rows where the polynomial
through seven is highest. The few lanes that this does not settle go to `Likelihood`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.htmp_lanes import Lanes
from htmu_diag.fits.htmp_likelihood import HIGHEST, LOWEST
from htmu_diag.fits.htmp_profiles import Profiles, newton, profiles
from htmu_diag.fits.sextic import SIDE
from htmu_diag.laws.htmp_lattice import Indices
from htmu_diag.laws.htmp_windows import STARTS, WIDTH, WINDOWS, window_about
from htmu_diag.spectrum import Floats

__all__ = ["Found", "located", "profiled"]

Mask = npt.NDArray[np.bool_]

_MOST_ROUNDS, _MOST_LOOKS = 10, 3
_AT_THE_TOP = 0.5  # squared standard errors in v of the top row from which on the other rows are looked at
_ROWS = np.arange(WIDTH)


@dataclass(frozen=True)
class Found:
    """lanes: (k,), of a search. numbers: of their windows. v: (places, k); slopes: (3, places, k, WIDTH)."""

    lanes: Indices
    numbers: Indices
    v: Floats
    slopes: Floats

    def seen(self, v: Floats, slopes: Floats) -> Found:
        """With more places."""
        return Found(
            self.lanes, self.numbers, np.concatenate([self.v, v]), np.concatenate([self.slopes, slopes], axis=1)
        )

    def __getitem__(self, some: Indices | Mask) -> Found:
        return Found(self.lanes[some], self.numbers[some], self.v[:, some], self.slopes[:, :, some])


def located(lanes: Lanes, starts: Indices) -> Found:
    """A window with the top row inside, at a v near its maximum; lanes that find none are missing.

    starts: (lanes,) rows of the grid where the search begins.
    """
    which, numbers, v = np.arange(starts.size), window_about(starts), np.zeros(starts.size)
    done = []
    for _ in range(_MOST_ROUNDS):
        slopes = lanes.slopes(which, numbers, v)
        gain, step, misses = newton(slopes)
        k, top = np.arange(which.size), (slopes[0] + gain).argmax(axis=1)  # NaN is the highest
        inside = (top >= SIDE) | (numbers == 0), (top < WIDTH - SIDE) | (numbers == WINDOWS - 1)
        good = inside[0] & inside[1] & (misses[k, top] < _AT_THE_TOP)
        done.append(Found(which[good], numbers[good], v[None, good], slopes[:, None, good]))
        going = ~good & ~np.isnan(slopes[0, :, 0])
        if not going.any():
            break
        further = np.where(top == 0, -SIDE, np.where(top == WIDTH - 1, SIDE, 0))
        v = (v + step[k, top])[going]
        numbers = window_about(np.clip(STARTS[numbers] + top + further, LOWEST, HIGHEST))[going]
        which = which[going]
    together = [np.concatenate([getattr(each, name) for each in done], axis=axis) for name, axis in _AXES]
    order = np.argsort(together[0])
    return Found(together[0][order], together[1][order], together[2][:, order], together[3][:, :, order])


_AXES = (("lanes", 0), ("numbers", 0), ("v", 1), ("slopes", 2))


def profiled(lanes: Lanes, found: Found, levels: Floats) -> tuple[Found, Profiles]:
    """With more places, the maxima of all rows of the windows, of the needed ones well enough.

    levels: (2, k, WIDTH): the root of twice the fall from the top at which an interval ends, below and above it.
    """
    known = profiles(found.v, found.slopes)
    for _ in range(_MOST_LOOKS):
        more = _asked(lanes, found, known, *_needed(known, levels))
        if more is None:
            break
        found, known = more, profiles(more.v, more.slopes)
    return found, known


def _needed(known: Profiles, levels: Floats) -> tuple[Indices, Indices]:
    """(k,) each: the first and the last row of the seven about the top and of those where the interval ends."""
    top = known.heights.argmax(axis=1)
    middle, best = np.minimum(np.maximum(top, SIDE), WIDTH - 1 - SIDE), known.heights.max(axis=1)
    fallen = 2 * (best[:, None] - known.heights) >= levels**2
    below = WIDTH - 1 - (fallen[0] & (top[:, None] > _ROWS))[:, ::-1].argmax(axis=1)
    above = (fallen[1] & (top[:, None] < _ROWS)).argmax(axis=1)
    below, above = np.where(below == WIDTH - 1, 0, below), np.where(above == 0, WIDTH - 1, above)
    return np.minimum(below, middle - SIDE), np.maximum(above, middle + SIDE)


def _asked(lanes: Lanes, found: Found, known: Profiles, low: Indices, high: Indices) -> Found | None:
    """With the likelihoods at the v of the furthest rows on either side that are needed and not settled."""
    top = known.heights.argmax(axis=1)[:, None]
    open_ = ~known.settled & (low[:, None] <= _ROWS) & (high[:, None] >= _ROWS)
    first, last = open_.argmax(axis=1), WIDTH - 1 - open_[:, ::-1].argmax(axis=1)
    sides = np.stack([(open_ & (top >= _ROWS)).any(axis=1), (open_ & (top < _ROWS)).any(axis=1)])
    k, side = np.nonzero(sides.T)
    if not k.size:
        return None
    v, slopes = np.full(sides.shape, np.nan), np.full((3, *sides.shape, WIDTH), np.nan)
    v[side, k] = known.v[k, np.where(side == 0, first[k], last[k])]
    slopes[:, side, k] = lanes.slopes(found.lanes[k], found.numbers[k], v[side, k])
    return found.seen(v, slopes)
