"""Where the HTMP likelihoods of many lanes are highest: the peaks that `Likelihood.maximise` finds one by one.

In rounds: all lanes get their likelihood in a window of rows of their own at a v or two of their own, and what a lane
asks next depends on what it got alone. First the top row is looked for, from window to window; then come the v of the
rows at both ends of what is needed, so that the maxima of all rows between are known. The few lanes that this does not
settle go to `Likelihood`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.htmp_lanes import Lanes
from htmu_diag.fits.htmp_likelihood import HIGHEST, LOWEST
from htmu_diag.fits.htmp_profiles import NEARLY, ROUGHLY, Brackets, Profiles, at_each
from htmu_diag.fits.sextic import SIDE
from htmu_diag.laws.htmp_lattice import Indices
from htmu_diag.laws.htmp_windows import STARTS, WIDTH, WINDOWS, window_about
from htmu_diag.spectrum import Floats

__all__ = ["Found", "searched"]

Mask = npt.NDArray[np.bool_]

_MOST_ROUNDS = 14
_AT_THE_TOP = 1.0  # squared standard errors in v of the top row from which on the other rows are looked at
_FAR = 9.0  # the same, up to which it says in which window to go on
_ROWS = np.arange(WIDTH)
# the same, up to which a row's height is known well enough, by its distance from the top row: what an error there does
# to the top of the polynomial through seven falls as 45, 9, 1, and Newton's method leaves the cube
_ENOUGH = np.array([NEARLY, NEARLY, 1.7 * NEARLY, *[ROUGHLY] * (WIDTH - 3)]) ** 2
_NEAR_NOISE = 4  # windows from which on a top at the upper end is likely to be that of noise


@dataclass(frozen=True)
class Found:
    """lanes: (k,), of a search. numbers: of their windows. known: likelihoods there."""

    lanes: Indices
    numbers: Indices
    known: Brackets

    @property
    def places(self) -> Indices:
        """(k, WIDTH): of the rows of the windows on the grid, from its first on."""
        return STARTS[self.numbers, None] + (_ROWS - LOWEST)

    def __getitem__(self, some: Indices | Mask) -> Found:
        return Found(self.lanes[some], self.numbers[some], self.known[some])


def searched(lanes: Lanes, starts: Indices, levels: Floats) -> tuple[Found, Profiles]:
    """A window of each lane with the top row inside, and there the maxima of the rows, of the needed ones well enough;
    lanes that find none are missing.

    starts: (lanes,) rows of the grid where the search begins. levels: (2, lanes, rows of the grid), the root of twice
    the fall from the top at which an interval ends, below and above it.
    """
    found = Found(np.arange(starts.size), window_about(starts), Brackets.empty(starts.size, WIDTH))
    tops, done = Profiles.empty(starts.size, WIDTH), np.zeros(starts.size, np.bool_)
    going, asked = found, np.stack([np.zeros(starts.size), np.full(starts.size, np.nan)])
    for _ in range(_MOST_ROUNDS):
        _see(lanes, going, asked)
        known = going.known.profiles()
        next_ = _next(going, known, levels)
        on = ~np.isnan(next_.asked[0])
        if not on.all():
            ended = going.lanes[~on]
            done[ended] = ~next_.lost[~on]
            found.numbers[ended], found.known.sides[:, :, ended] = going.numbers[~on], going.known.sides[:, :, ~on]
            tops.put(ended, known[~on])
            if not on.any():
                break
        going.known.forget(next_.moved)
        going, asked = Found(going.lanes, next_.numbers, going.known)[on], next_.asked[:, on]
    return found[done], tops[done]


def _see(lanes: Lanes, found: Found, asked: Floats) -> None:
    """asked: (2, k), NaN where there is no second v."""
    if np.isnan(asked[1]).all():
        found.known.see(asked[0], lanes.slopes(found.lanes, found.numbers, asked[0]))
        return
    k, side = np.nonzero(~np.isnan(asked.T))
    slopes = np.full((3, *asked.shape, WIDTH), np.nan)
    slopes[:, side, k] = lanes.slopes(found.lanes[k], found.numbers[k], asked[side, k])
    for one in (0, 1):
        found.known.see(asked[one], slopes[:, one])


@dataclass(frozen=True)
class _Next:
    """asked: (2, k), v to look at next, NaN for none; moved: in another window; numbers: of the windows then."""

    asked: Floats
    moved: Mask
    numbers: Indices
    lost: Mask


def _next(found: Found, known: Profiles, levels: Floats) -> _Next:
    numbers = found.numbers
    top = known.heights.argmax(axis=1)  # NaN is the highest
    misses, v = at_each(known.misses, top), at_each(known.v, top)
    lost = np.isnan(at_each(known.heights, top))
    outside = ((top < SIDE) & (numbers > 0)) | ((top >= WIDTH - SIDE) & (numbers < WINDOWS - 1))
    climbs = (outside | (misses >= _AT_THE_TOP)) & ~lost
    asked = np.full((2, top.size), np.nan)
    asked[0, climbs] = v[climbs]
    rest = np.flatnonzero(~climbs & ~lost)
    if rest.size:
        places = found.lanes[rest, None] * levels.shape[2] + found.places[rest]
        asked[:, rest] = _sides(known[rest], top[rest], levels.reshape(2, -1).take(places, axis=1))
    moved = outside & climbs & (misses < _FAR)
    if moved.any():
        upwards = np.where(numbers >= _NEAR_NOISE, WIDTH // 2, SIDE)
        further = STARTS[numbers] + top + np.where(top == 0, -SIDE, np.where(top == WIDTH - 1, upwards, 0))
        numbers = np.where(moved, window_about(np.clip(further, LOWEST, HIGHEST)), numbers)
    return _Next(asked, moved, numbers, lost)


def _sides(known: Profiles, top: Indices, levels: Floats) -> Floats:
    """(2, k): v of the furthest rows below and above the top that are needed and not settled, NaN for none; the first
    of the two is there if one is."""
    low, high = _needed(known, top, levels)
    known_well = known.settled(known.heights.max(axis=1)) & (known.misses < _ENOUGH[np.abs(_ROWS - top[:, None])])
    open_ = ~known_well & (low[:, None] <= _ROWS) & (high[:, None] >= _ROWS)
    first, last = open_.argmax(axis=1), WIDTH - 1 - open_[:, ::-1].argmax(axis=1)
    below, above = at_each(open_, first) & (first <= top), at_each(open_, last) & (last > top)
    at_first, at_last = at_each(known.v, first), at_each(known.v, last)
    return np.stack(
        [np.where(below, at_first, np.where(above, at_last, np.nan)), np.where(below & above, at_last, np.nan)]
    )


def _needed(known: Profiles, top: Indices, levels: Floats) -> tuple[Indices, Indices]:
    """(k,) each: the first and the last row of the seven about the top and of those where the interval ends."""
    middle, best = np.minimum(np.maximum(top, SIDE), WIDTH - 1 - SIDE), known.heights.max(axis=1)
    fallen = 2 * (best[:, None] - known.heights) >= levels**2
    below = WIDTH - 1 - (fallen[0] & (top[:, None] > _ROWS))[:, ::-1].argmax(axis=1)
    above = (fallen[1] & (top[:, None] < _ROWS)).argmax(axis=1)
    below, above = np.where(below == WIDTH - 1, 0, below), np.where(above == 0, WIDTH - 1, above)
    return np.minimum(below, middle - SIDE), np.maximum(above, middle + SIDE)
