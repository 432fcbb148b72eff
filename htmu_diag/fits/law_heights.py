"""The log likelihoods of many shapes of a law, at many scales each, as one product of matrices.

On an even grid about its median (`EvenRows`) a law's contaminated log density is a vector; a sample, as masses on a
grid of the same step about its own median (``law_sample``), is another. Their product is the log likelihood, at every
shift of one against the other, that is at every scale. Steps are powers of two, so that a row's vector serves many
samples. Single precision takes a third of the time and leaves some 1e-7 of the sum.

The rows of a product are those of one sample, whatever else is looked at: so its bits are that sample's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache, partial

import numpy as np

from htmu_diag.fits.law_row import EvenRows, Singles
from htmu_diag.fits.law_rows import FAMILIES
from htmu_diag.fits.law_sample import COARSE_SHIFTS, CONTAMINATION, EVEN, FINE_SHIFTS, STRIDE, Binned, Sample
from htmu_diag.fits.sextic import SIDE
from htmu_diag.spectrum import Floats

__all__ = ["WINDOWS", "Rows", "first_heights", "further_heights", "rows_of", "window_heights"]

WINDOWS = tuple(min(2 * SIDE, family.high - family.low) + 1 for family in FAMILIES)  # rows of a window of each
_FIRST = sum(len(family.first) for family in FAMILIES)
_SHARE = 1 - CONTAMINATION


class Rows:
    """Of all families, for samples of one gamma and step."""

    def __init__(self, gamma: float, step: float) -> None:
        made = [(partial(family.row, gamma), family.low, family.high) for family in FAMILIES]
        self.fine = [EvenRows(*one, step, EVEN, _SHARE) for one in made]
        self.coarse = [EvenRows(*one, step * STRIDE, EVEN // STRIDE, _SHARE) for one in made]

    def medians(self, places: Sequence[int]) -> list[Floats]:
        """Of the rows of a window of each family that was looked at, from these places on."""
        each = zip(self.fine, FAMILIES, places, WINDOWS, strict=True)
        return [rows.medians[place - family.low :][:count] for rows, family, place, count in each]

    @cached_property
    def first(self) -> Singles:
        """(rows, points) those looked at first, of one family after the other."""
        pairs, points = zip(FAMILIES, self.coarse, strict=True), 2 * EVEN // STRIDE + 1
        return np.concatenate([rows.at(place, 1, 0, points) for family, rows in pairs for place in family.first])


@lru_cache(maxsize=128)
def rows_of(gamma: float, step: float) -> Rows:
    return Rows(gamma, step)


def first_heights(samples: Sequence[Sample], rows: Sequence[Rows]) -> Singles:
    """(samples, rows, shifts) log likelihoods of all that is looked at first."""
    found = np.empty((len(samples), _FIRST, COARSE_SHIFTS), np.float32)
    room = _Room([sample.coarse for sample in samples], _FIRST)
    for sample, those, line in zip(samples, rows, found, strict=True):
        begin, end = _seen(sample.coarse, EVEN // STRIDE)
        density = room.density(_FIRST, end - begin)
        density[:] = those.first[:, begin:end]
        room.product(density, sample.coarse, sample.background, line)
    return found


def further_heights(sample: Sample, rows: Rows, family: int, place: int) -> Singles:
    """(shifts,) of one more place."""
    density = rows.coarse[family].at(place, 1, *_seen(sample.coarse, EVEN // STRIDE))[0] + sample.background
    masses = sample.coarse.padded[COARSE_SHIFTS - 1 : 1 - COARSE_SHIFTS]
    return np.correlate(np.log(density, out=density), masses, "valid")[::-1]


def window_heights(asked: Sequence[tuple[Sample, Rows, Sequence[tuple[int, int, int, int]]]]) -> Singles:
    """(all rows, shifts) log likelihoods of windows of (family, first place, first shift, slope) of some samples: the
    first shift of each row is by ``slope`` more than that of the row before."""
    counts = [sum(WINDOWS[family] for family, *_ in windows) for _, _, windows in asked]
    found = np.empty((sum(counts), FINE_SHIFTS), np.float32)
    room, end = _Room([sample.fine for sample, _, _ in asked], max(counts)), 0
    for (sample, rows, windows), count in zip(asked, counts, strict=True):
        density, points = room.density(count, sample.fine.points), sample.fine.points
        last, middle = 0, EVEN + sample.fine.first - FINE_SHIFTS + 1
        for family, place, shift, slope in windows:
            first, last = last, last + WINDOWS[family]
            density[first:last] = rows.fine[family].slanted(place, last - first, middle - shift, points, slope)
        begin, end = end, end + count
        room.product(density, sample.fine, sample.background, found[begin:end])
    return found


class _Room:
    """Memory for one product after the other: new memory costs as much as they do."""

    def __init__(self, samples: Sequence[Binned], rows: int) -> None:
        points = max(sample.points for sample in samples)
        self._density = np.empty(points * rows, np.float32)
        self._shifted = np.empty(points * samples[0].shifts, np.float32)

    def density(self, rows: int, points: int) -> Singles:
        return self._density[: rows * points].reshape(rows, points)

    def product(self, density: Singles, sample: Binned, background: float, found: Singles) -> None:
        """The sum over points of the masses times the log of density and background, at each shift; the density is
        lost."""
        shifted = self._shifted[: sample.points * sample.shifts].reshape(sample.points, sample.shifts)
        shifted[:] = sample.shifted
        density += np.array(background, np.float32)  # a Python number takes three times as long
        np.matmul(np.log(density, out=density), shifted, out=found)


def _seen(coarse: Binned, reach: int) -> tuple[int, int]:
    """Ends of the points of a row that a sample meets in a first look."""
    begin = reach + coarse.first - coarse.shifts // 2
    return begin, begin + coarse.points
