"""Where the maxima are: for each lane, a sample and a family, seven shapes by 33 scales about the highest.

A first look at a few shapes and scales goes on uphill where the highest is the last of them; it also says how the
likeliest scale changes with the shape, and the scales of a window follow that. A window about the peak of the look
moves while the highest of the window is at its border. All lanes take each step together, and what one needs more
than others is looked at for it alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.law_heights import WINDOWS, Rows, first_heights, further_heights, window_heights
from htmu_diag.fits.law_row import Singles
from htmu_diag.fits.law_rows import FAMILIES
from htmu_diag.fits.law_sample import COARSE_SHIFTS, FINE_SHIFTS, SHIFTS, STRIDE, Sample
from htmu_diag.fits.sextic import SIDE

__all__ = ["MANY", "Integers", "Windows", "windows_of"]

Integers = npt.NDArray[np.intp]
MANY = len(FAMILIES)

_UNSEEN = 0.1  # what a first look may miss of a peak, a value
_MOST_MOVES = 60
_STEEPEST = 12  # of slopes, in steps
_SEVEN = 2 * SIDE + 1
_EDGED = 0  # of the families: Marchenko-Pastur, of one shape, whose row is the first
_LOW, _HIGH = (np.array([getattr(family, end) for family in FAMILIES]) for end in ("low", "high"))
# A first look goes from a family's own places on, a stride at a time, up or down. Slots count all places that it may
# come to, from the lowest on: so many before those that it begins with, and so many after them
_STRIDES = np.array([family.first.step for family in FAMILIES])
_BEGUN = np.array([len(family.first) for family in FAMILIES])
_BEFORE = (np.array([family.first[0] for family in FAMILIES]) - _LOW) // _STRIDES
_AFTER = (_HIGH - [family.first[-1] for family in FAMILIES]) // _STRIDES
_LOWEST = np.array([family.first[0] for family in FAMILIES]) - _BEFORE * _STRIDES
_SLOTS = int((_BEFORE + _BEGUN + _AFTER).max())
_OPENING = np.concatenate([k * _SLOTS + _BEFORE[k] + np.arange(_BEGUN[k]) for k in range(MANY)])
_COUNTS = np.array(WINDOWS)


class Spots(NamedTuple):
    """Of each lane a place and a shift about which to look, and the shifts from a place to the next one, (lanes,)."""

    places: Integers
    shifts: Integers
    slopes: Integers


class Windows(NamedTuple):
    """heights: (all rows, shifts) log likelihoods. Of each lane, places, shifts: the first of its window; slopes: by
    how much the first shift of a row exceeds that of the row before; begins: its first row, of seven or of the one of a
    family without shapes; columns, tops: (lanes, 7) the highest of each row, -inf where there is none."""

    heights: Singles
    places: Integers
    shifts: Integers
    slopes: Integers
    begins: Integers
    columns: Integers
    tops: Singles

    def chosen(self, these: Integers) -> Windows:
        """Some of them, and all heights."""
        return Windows(
            self.heights,
            self.places[these],
            self.shifts[these],
            self.slopes[these],
            self.begins[these],
            self.columns[these],
            self.tops[these],
        )

    def take(self, lanes: Integers, others: Windows) -> Windows:
        """With these for some lanes."""
        self.places[lanes], self.shifts[lanes] = others.places, others.shifts
        self.slopes[lanes], self.begins[lanes] = others.slopes, others.begins + len(self.heights)
        self.columns[lanes], self.tops[lanes] = others.columns, others.tops
        return self._replace(heights=np.concatenate([self.heights, others.heights]))


def windows_of(samples: Sequence[Sample], rows: Sequence[Rows]) -> tuple[Windows, Windows]:
    """Lanes are the families of the first sample, then those of the second, and so on; rows are for each sample.

    After them the lower of the two windows of the law with edges, a lane for each sample.
    """
    windows, lower = _about_peaks(samples, rows, *_peaks(samples, *_first_look(samples, rows)))
    lanes = np.arange(MANY * len(samples))
    for _ in range(_MOST_MOVES):
        lanes, spots = _at_border(windows, lanes)
        if not lanes.size:
            break
        windows = windows.take(lanes, _look(samples, rows, lanes, spots))
    return windows, lower


def _about_peaks(
    samples: Sequence[Sample], rows: Sequence[Rows], lanes: Integers, spots: Spots
) -> tuple[Windows, Windows]:
    """A window for each lane: about one peak, or the higher of the windows about two that follow each other; and the
    lower of the two where a law has edges."""
    windows = _look(samples, rows, lanes, spots)
    second = (lanes[1:] == lanes[:-1]).nonzero()[0] + 1
    first, tops = np.delete(np.arange(lanes.size), second), windows.tops.max(axis=1)
    first[lanes[second]] += tops[second] > tops[second - 1]
    edged = second[lanes[second] % MANY == _EDGED]
    return windows.chosen(first), windows.chosen(2 * edged - 1 - first[lanes[edged]])


def _has_row(lanes: Integers) -> npt.NDArray[np.bool_]:
    """(lanes, 7) whether a window has so many rows."""
    return np.arange(_SEVEN) < _COUNTS[lanes % MANY, None]


def _first_look(samples: Sequence[Sample], rows: Sequence[Rows]) -> tuple[Singles, Integers, Singles]:
    """(lanes, slots) highest of each place, -inf where none was looked at, and the column of it; and (samples, shifts)
    all of the law with edges."""
    found, many = first_heights(samples, rows), len(samples)
    best = found.argmax(axis=2)
    tops = np.full((many, MANY * _SLOTS), -np.inf, np.float32)
    columns = np.zeros(tops.shape, np.intp)
    columns[:, _OPENING] = best
    tops[:, _OPENING] = found[np.arange(many)[:, None], np.arange(best.shape[1]), best]
    tops, columns = tops.reshape(-1, _SLOTS), columns.reshape(-1, _SLOTS)
    low, last = np.concatenate([_BEFORE] * many), np.concatenate([_BEFORE + _BEGUN + _AFTER - 1] * many)
    high = low + np.concatenate([_BEGUN - 1] * many)
    while True:
        top = tops.argmax(axis=1)
        down = (top == low) & (low > 0)
        up = (top == high) & (high < last) & ~down
        further = (down | up).nonzero()[0]
        if not further.size:
            return tops, columns, found[:, _EDGED]
        low, high = low - down, high + up
        slots = np.where(down, low, high)[further]
        for lane, slot in zip(further.tolist(), slots.tolist(), strict=True):
            sample, family = divmod(lane, MANY)
            place = int(_LOWEST[family] + slot * _STRIDES[family])
            line = further_heights(samples[sample], rows[sample], family, place)
            column = columns[lane, slot] = line.argmax()
            tops[lane, slot] = line[column]


def _peaks(samples: Sequence[Sample], tops: Singles, columns: Integers, edged: Singles) -> tuple[Integers, Spots]:
    """Lanes and spots of the highest of each lane, and after it of a second that may be higher yet: where a law has
    edges, the highest that a window about the first does not see."""
    beside = np.full((len(tops), _SLOTS + 2), -np.inf, np.float32)
    beside[:, 1:-1] = tops
    peaks = np.where((tops >= beside[:, :-2]) & (tops >= beside[:, 2:]), tops, -np.inf)
    lanes, one = np.arange(len(tops)), peaks.argmax(axis=1)
    least = peaks[lanes, one] - _UNSEEN * np.array([sample.total for sample in samples]).repeat(MANY)
    peaks[lanes, one] = -np.inf
    two = peaks.argmax(axis=1)
    has = peaks[lanes, two] >= least
    has[_EDGED::MANY] = True
    second = has.nonzero()[0]
    unseen = np.abs(np.arange(COARSE_SHIFTS) - columns[_EDGED::MANY, :1]) * STRIDE > FINE_SHIFTS // 2
    others = columns[lanes, two]
    others[_EDGED::MANY] = np.where(unseen, edged, -np.inf).argmax(axis=1)
    two[_EDGED::MANY] = 0
    both = np.concatenate([lanes, second])
    order = both.argsort(kind="stable")
    slots, shifts = (
        np.concatenate(each)[order] for each in ([one, two[second]], [columns[lanes, one], others[second]])
    )
    lanes = both[order]
    families = lanes % MANY
    slopes = _slopes(beside[lanes], columns[lanes], slots, _STRIDES[families])
    return lanes, Spots(_LOWEST[families] + slots * _STRIDES[families], shifts * STRIDE - SHIFTS, slopes)


def _slopes(tops: Singles, columns: Integers, slots: Integers, strides: Integers) -> Integers:
    """(lanes,) shifts from a place to the next one at which a law is likeliest, by the slots beside; tops: between two
    more slots, -inf where none was looked at."""
    lanes = np.arange(slots.size)
    left, right = slots - (tops[lanes, slots] > -np.inf), slots + (tops[lanes, slots + 2] > -np.inf)
    rise = STRIDE * (columns[lanes, right] - columns[lanes, left]) / (strides * np.maximum(right - left, 1))
    return np.asarray(np.minimum(np.maximum(np.rint(rise), -_STEEPEST), _STEEPEST).astype(np.intp))


def _look(samples: Sequence[Sample], rows: Sequence[Rows], lanes: Integers, spots: Spots) -> Windows:
    """Windows of some lanes, ascending, about these spots, but within the grids."""
    families = lanes % MANY
    low, high, half = _LOW[families], _HIGH[families], FINE_SHIFTS // 2
    places = np.maximum(np.minimum(np.maximum(spots.places, low + SIDE), high - SIDE) - SIDE, low)
    begin = spots.shifts - half - spots.slopes * (spots.places - places)
    end = begin + (_SEVEN - 1) * spots.slopes
    inside = (np.minimum(begin, end) >= -SHIFTS) & (np.maximum(begin, end) <= SHIFTS - 2 * half)
    slopes = np.where(inside, spots.slopes, 0)
    shifts = np.where(inside, begin, np.minimum(np.maximum(spots.shifts - half, -SHIFTS), SHIFTS - 2 * half))
    asked = list(zip(*(part.tolist() for part in (families, places, shifts, slopes)), strict=True))
    ends = (lanes // MANY).searchsorted(np.arange(len(samples) + 1)).tolist()
    each = zip(samples, rows, ends, ends[1:], strict=False)
    found = window_heights([(sample, those, asked[a:b]) for sample, those, a, b in each if a < b])
    best, has = found.argmax(axis=1), _has_row(lanes)
    columns, tops = np.zeros(has.shape, np.intp), np.full(has.shape, -np.inf, np.float32)
    columns[has], tops[has] = best, found[np.arange(best.size), best]
    counts = _COUNTS[families]
    return Windows(found, places, shifts, slopes, counts.cumsum() - counts, columns, tops)


def _at_border(windows: Windows, lanes: Integers) -> tuple[Integers, Spots]:
    """Those of the lanes whose highest is in a first or last row or column, but where the grid ends there, and it."""
    row = windows.tops[lanes].argmax(axis=1)
    column = windows.columns[lanes, row]
    places, families, slopes = windows.places[lanes] + row, lanes % MANY, windows.slopes[lanes]
    shifts = windows.shifts[lanes] + slopes * row + column
    inside = (_LOW[families] < places) & (places < _HIGH[families])
    moving = (row % (_SEVEN - 1) == 0) & inside | (column % (FINE_SHIFTS - 1) == 0) & (np.abs(shifts) < SHIFTS)
    return lanes[moving], Spots(places[moving], shifts[moving], slopes[moving])
