"""Samples as the product of matrices wants them (``law_heights``): masses on grids about their medians, at every shift.

The masses are weights of cubic interpolation, so that a product with a row is exact to what a cubic leaves between grid
points: nothing to speak of where the density is smooth, tenths where it has an edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from htmu_diag.fits.law_row import Singles
from htmu_diag.spectrum import Floats

__all__ = [
    "COARSE_SHIFTS",
    "CONTAMINATION",
    "EVEN",
    "FINE_SHIFTS",
    "SHIFTS",
    "STRIDE",
    "Binned",
    "Sample",
    "samples_of",
]

CONTAMINATION = 0.02
EVEN = 2048  # steps of a row's grid to either side of its median
SHIFTS = 160  # steps to either side of where the medians agree
STRIDE = 8  # of the first look, in steps
COARSE_SHIFTS = 2 * SHIFTS // STRIDE + 1  # of the first look
FINE_SHIFTS = 33  # of the second, 16 to either side of where the best of the first is, or the ridge from there
_FINE = 64  # steps in the sample's quartile range; less than twice as many, for steps are powers of two
_LEAST = 1e-3  # of the sample's range: its quartile range at least
_EXACT, _GROUPS = 128, 768  # values at either end, and groups of neighbours between them, of a large spectrum
_FOUR = np.array([[-1], [0], [1], [2]])


class Binned(NamedTuple):
    """A sample on a grid. first: the place of its first mass. padded: the masses, between as many zeros on either side
    as there are shifts but one."""

    first: int
    padded: Singles
    shifts: int

    @property
    def points(self) -> int:
        """Of a row, that the masses meet at any shift."""
        return self.padded.size - self.shifts + 1

    @property
    def shifted(self) -> Singles:
        """(points, shifts): the masses, at the end of the first column, one further up in each that follows."""
        step = self.padded.itemsize
        return np.ndarray((self.points, self.shifts), np.float32, self.padded, strides=(step, step))


class Sample(NamedTuple):
    """t: (m,) ascending logarithms, of groups of neighbours where there are many; masses: (m,) values in each.

    background: what contamination adds to the density of t. step: of the grid, a power of two. middle: where its zero
    is, in t. fine: on every point of it; coarse: on every eighth, shifts too.
    """

    t: Floats
    masses: Floats
    total: float
    background: float
    middle: float
    step: float
    coarse: Binned
    fine: Binned


def samples_of(logs: Sequence[Floats]) -> list[Sample]:
    """Of ascending logarithms (n,) of each sample; what else is among them changes nothing."""
    groups = [_grouped(t) for t in logs]
    grids = [_grid(t, levels) for t, _, levels in groups]
    counts = [t.size for t, _, _ in groups]
    middles, steps = np.array(grids).T
    place = (np.concatenate([t for t, _, _ in groups]) - np.repeat(middles, counts)) / np.repeat(steps, counts)
    masses = np.concatenate([masses for _, masses, _ in groups])
    coarse = _binned(place / STRIDE, masses, counts, COARSE_SHIFTS, (EVEN - SHIFTS) // STRIDE - 3)
    fine = _binned(place, masses, counts, FINE_SHIFTS, EVEN - SHIFTS - 3)
    return [
        Sample(t, masses, float(all_.size), CONTAMINATION / float(all_[-1] - all_[0]), middle, step, *binned)
        for all_, (t, masses, _), (middle, step), *binned in zip(logs, groups, grids, coarse, fine, strict=True)
    ]


def _grouped(t: Floats) -> tuple[Floats, Floats, Floats]:
    """Values, masses and levels of a sample."""
    if t.size <= 2 * _EXACT + _GROUPS:
        return t, *_ones(t.size)
    cuts = np.linspace(_EXACT, t.size - _EXACT, _GROUPS + 1).astype(np.intp)
    starts = np.concatenate([np.arange(_EXACT), cuts[:-1], np.arange(t.size - _EXACT, t.size)])
    masses = np.diff(np.append(starts, t.size)).astype(np.float64)
    return np.add.reduceat(t, starts) / masses, masses, (np.cumsum(masses) - masses / 2) / t.size


@lru_cache(maxsize=256)
def _ones(size: int) -> tuple[Floats, Floats]:
    ones = np.ones(size)
    return ones, (np.cumsum(ones) - ones / 2) / size


def _grid(t: Floats, levels: Floats) -> tuple[float, float]:
    """Median and step."""
    low, middle, high = np.interp((0.25, 0.5, 0.75), levels, t).tolist()
    return middle, 2.0 ** math.floor(math.log2(max(high - low, _LEAST * float(t[-1] - t[0])) / _FINE))


def _binned(place: Floats, masses: Floats, counts: list[int], shifts: int, reach: int) -> list[Binned]:
    """Each mass at the four points about it; what is further than the reach counts as that far."""
    place = np.minimum(np.maximum(place, -reach), reach)
    floor = np.floor(place)
    s, points = place - floor, floor.astype(np.intp)
    before, rest, beyond = 1 + s, 1 - s, 2 - s
    inner, outer = before * beyond / 2, s * rest / 6
    weights = np.array([-outer * beyond, inner * rest, inner * s, -outer * before]) * masses
    ends = np.cumsum(counts)
    firsts = points[ends - counts] - 1
    sizes = points[ends - 1] + 3 - firsts + 2 * (shifts - 1)
    begins = np.cumsum(sizes) - sizes
    points += np.repeat(begins + shifts - 1 - firsts, counts)
    padded = np.bincount((points + _FOUR).ravel(), weights.ravel(), int(sizes.sum())).astype(np.float32)
    found = zip(firsts.tolist(), begins.tolist(), sizes.tolist(), strict=True)
    return [Binned(first, padded[begin : begin + size], shifts) for first, begin, size in found]
