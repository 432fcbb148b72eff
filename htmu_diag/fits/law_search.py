"""The likeliest shape and scale of each law, contaminated, for many samples at once.

A first look at a few shapes and scales says where the maximum is, a second one at the seven shapes about it what the
profile over the scale is there (``law_windows``), and the polynomial through the seven gives its top. What the grid of
these looks leaves is corrected by the likelihood itself at the best of the seven (``law_nodes``). Beside all
shapes of the grid and scales tried one by one, the top lies less than 0.1 below in more than nine of ten spectra, and
0.4 at worst (trained, heavy-tailed, spiked and pure noise, 32 to 300 values); the kinks of laws with edges leave that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from htmu_diag.fits.law_edges import highest_peaks
from htmu_diag.fits.law_heights import Rows, rows_of
from htmu_diag.fits.law_nodes import (
    NOISE,
    POPULATION,
    REPULSION,
    TABLES,
    WACHTER,
    Points,
    heights_by_formula,
    heights_of_some,
    heights_on_levels,
    heights_on_nodes,
)
from htmu_diag.fits.law_row import Singles
from htmu_diag.fits.law_rows import FAMILIES
from htmu_diag.fits.law_sample import FINE_SHIFTS, Sample
from htmu_diag.fits.law_windows import MANY, Integers, Windows, windows_of
from htmu_diag.fits.sextic import SIDE, through_all, tops, values_of, vertices
from htmu_diag.spectrum import Floats

__all__ = ["Likeliest", "likeliest_of"]

_MOST_ABOVE, _SURELY = 1.5, 0.02  # what a polynomial gains beside a parabola, at most
_LEVELS_LEAVE = 0.05  # of a likelihood, in nine of ten spectra
_EDGES_SHOW = 26  # place of kappa = 665, beyond which the likelihood has kinks in the scale
_BESIDE = np.array([-0.5, 0.0, 0.5])[:, None]  # of scales of laws with edges, in steps
_SHAPED = np.array([bool(family.parameter) for family in FAMILIES])


class Likeliest(NamedTuple):
    """Of one sample, a number for each family. places: on the grids of shapes, not whole. scales: their logarithms.

    near, near_scales: of the nearest row, whose shape is on the grid.
    """

    places: list[float]
    scales: list[float]
    heights: list[float]
    near: list[int]
    near_scales: list[float]


def likeliest_of(samples: Sequence[Sample], gammas: Sequence[float]) -> list[Likeliest]:
    """Over all shapes of each family, and the scales at which its median is about the sample's; what else is among the
    samples changes nothing."""
    tables = [rows_of(gamma, sample.step) for sample, gamma in zip(samples, gammas, strict=True)]
    windows, lower = windows_of(samples, tables)
    shaped, edged = (np.concatenate([these] * len(samples)).nonzero()[0] for these in (_SHAPED, ~_SHAPED))
    steps, middles = np.array([(one.step, one.middle) for one in samples]).repeat(MANY, axis=0).T
    top, medians = windows.tops.argmax(axis=1), _medians(windows, tables)
    heights, shifts = _profile(windows, shaped)
    lanes = np.arange(shaped.size)
    along = middles[shaped, None] - medians[shaped] + steps[shaped, None] * shifts
    tried, heights_tried = _tried(windows.chosen(edged), lower)
    tried = middles[edged, None] - medians[edged, :1] + steps[edged, None] * tried
    scales = np.empty(steps.size)
    scales[shaped] = along[lanes, top[shaped]]
    scales[edged] = highest_peaks(samples, gammas, tried, heights_tried)

    near = windows.places + top
    between, gained = _between(heights, top[shaped])
    places, gains, between_scales = windows.places.astype(np.float64), np.zeros(steps.size), scales.copy()
    places[shaped] += SIDE + between
    gains[shaped] = gained
    between_scales[shaped] += values_of(through_all(along), between) - along[lanes, top[shaped]]
    shape = (len(samples), MANY)
    near, places, gains = near.reshape(shape), places.reshape(shape), gains.reshape(shape)
    scales, between_scales = scales.reshape(shape), between_scales.reshape(shape)
    _in_double_precision(Points(samples, gammas), steps[::MANY], places, between_scales, gains, near, scales)
    each = (part.tolist() for part in (places, between_scales, gains, near, scales))
    return [Likeliest(*one) for one in zip(*each, strict=True)]


def _in_double_precision(
    points: Points, steps: Floats, places: Floats, scales: Floats, heights: Floats, near: Integers, near_scales: Floats
) -> None:
    """Heights, which were what lies between the shapes beside those near, as log likelihoods; of noise of a lognormal
    population and of Wachter's law places and scales too, the likeliest of some, and the scale near the latter. All are
    (samples, families)."""
    on_nodes = heights_on_nodes(points, near, near_scales).T
    heights[:, TABLES] += on_nodes
    own = on_nodes[:, TABLES.index(POPULATION)]
    between = heights_on_levels(points, places[:, POPULATION], scales[:, POPULATION])
    nearer = own > between + _LEVELS_LEAVE
    heights[:, POPULATION] = np.where(nearer, own, between)
    places[nearer, POPULATION], scales[nearer, POPULATION] = near[nearer, POPULATION], near_scales[nearer, POPULATION]
    for k in REPULSION:
        numbers = places[:, k], scales[:, k], heights[:, k]
        _beside_edges(points, k, steps, *numbers, near[:, k], near_scales[:, k])
    tried = np.concatenate([part[:, WACHTER] + _BESIDE * steps for part in (near_scales, scales)])
    shapes = np.concatenate([np.broadcast_to(part[:, WACHTER], (len(_BESIDE), steps.size)) for part in (near, places)])
    found = heights_by_formula(
        points,
        np.concatenate([np.full((1, steps.size), -np.inf), shapes]),
        np.concatenate([scales[None, :, NOISE], tried]),
    )
    best, lanes = found[1:].argmax(axis=0), np.arange(steps.size)
    heights[:, NOISE], heights[:, WACHTER] = found[0], found[best + 1, lanes]
    places[:, WACHTER], scales[:, WACHTER] = shapes[best, lanes], tried[best, lanes]
    near_scales[:, WACHTER] += _BESIDE[best % len(_BESIDE), 0] * steps


def _beside_edges(
    points: Points,
    family: int,
    steps: Floats,
    places: Floats,
    scales: Floats,
    heights: Floats,
    near: Integers,
    near_scales: Floats,
) -> None:
    """Where the repulsion is so large that the law's edges show, a scale half a step beside that of the shape near, if
    it is likelier; (samples,) each."""
    edged = (near >= _EDGES_SHOW).nonzero()[0]
    if not edged.size:
        return
    tried = near_scales[edged] + _BESIDE[::2] * steps[edged]
    found = heights_of_some(points, edged, family, near[edged], tried)
    best = found.argmax(axis=0)
    height, scale = (part[best, np.arange(edged.size)] for part in (found, tried))
    better = height > heights[edged]
    these = edged[better]
    places[these], heights[these] = near[these], height[better]
    scales[these] = near_scales[these] = scale[better]


def _tried(higher: Windows, lower: Windows) -> tuple[Integers, Singles]:
    """(samples, shifts) ascending, and their log likelihoods, of two windows; -inf where the first has them too."""
    from_, others = higher.shifts[:, None], lower.shifts[:, None] + np.arange(FINE_SHIFTS)
    heights = lower.heights[lower.begins]
    heights[(from_ <= others) & (others < from_ + FINE_SHIFTS)] = -np.inf
    shifts = np.concatenate([from_ + np.arange(FINE_SHIFTS), others], axis=1)
    order = shifts.argsort(axis=1, kind="stable")
    lanes = np.arange(len(shifts))[:, None]
    return shifts[lanes, order], np.concatenate([higher.heights[higher.begins], heights], axis=1)[lanes, order]


def _profile(windows: Windows, lanes: Integers) -> tuple[Floats, Floats]:
    """(lanes, 7) log likelihood and shift of each row at its likeliest, by a parabola through three shifts."""
    best = np.minimum(np.maximum(windows.columns[lanes], 1), FINE_SHIFTS - 2)
    rows = windows.begins[lanes, None] + np.arange(best.shape[1])
    move, heights = vertices(*(windows.heights[rows, best + k].astype(np.float64) for k in (-1, 0, 1)))
    begins = windows.shifts[lanes, None] + windows.slopes[lanes, None] * np.arange(best.shape[1])
    return heights, begins + best + move


def _medians(windows: Windows, tables: Sequence[Rows]) -> Floats:
    """(lanes, 7) of the rows of the windows."""
    places = windows.places.reshape(-1, MANY).tolist()
    found = np.zeros(windows.tops.shape)
    found[np.isfinite(windows.tops)] = np.concatenate(
        [part for table, line in zip(tables, places, strict=True) for part in table.medians(line)]
    )
    return found


def _between(heights: Floats, top: Integers) -> tuple[Floats, Floats]:
    """Where between the shapes the top lies, from the middle one, and how far above the highest; of profiles (k, 7).

    Where a law's edge passes a value the profile has a kink, and a polynomial through seven overshoots: there a
    parabola through three does.
    """
    polynomials, lanes = through_all(heights), np.arange(top.size)
    place, highest = tops(heights, heights, top - SIDE)[0], heights[lanes, top]
    gained = np.maximum(values_of(polynomials, place) - highest, 0.0)
    inner = np.minimum(np.maximum(top, 1), 2 * SIDE - 1)
    move, height = vertices(*(heights[lanes, inner + k] for k in (-1, 0, 1)))
    less = height - highest
    kink = (inner == top) & (gained > _MOST_ABOVE * less + _SURELY)
    return np.where(kink, top - SIDE + move, place), np.where(kink, less, gained)
