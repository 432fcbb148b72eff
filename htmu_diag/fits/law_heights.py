"""The log likelihoods of many shapes of a law, at many scales each, as one product of matrices.

On an even grid about its median (`Row.even`) a law's contaminated log density is a vector; a sample, as masses on a
grid of the same step about its own median, is another. Their product is the log likelihood, at every shift of one
against the other, that is at every scale. The masses are weights of cubic interpolation, so the product is exact to
what a cubic leaves between grid points: nothing to speak of where the density is smooth, tenths where it has an edge.
Single precision takes a third of the time and leaves some 1e-7 of the sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from htmu_diag.fits.law_rows import Row, Singles
from htmu_diag.spectrum import Floats

__all__ = ["CONTAMINATION", "SHIFTS", "Heights", "looks"]

CONTAMINATION = 0.02
_EVEN = 2048  # steps of a row's grid to either side of its median
SHIFTS = 160  # steps to either side of where the medians agree
_FINE = 64  # steps in the sample's quartile range; less than twice as many, for steps are powers of two
_LEAST = 1e-3  # of the sample's range: its quartile range at least
_FOUR = np.array([[-1], [0], [1], [2]])


@dataclass(frozen=True)
class Heights:
    """masses: (m,) the sample on every stride-th point of the grid, the first of them at ``first``; they are tried at
    so many shifts, a stride apart.

    step: of the grid. middle: where its zero is, in t. background: what contamination adds to the density of t.
    """

    middle: float
    step: float
    stride: int
    first: int
    masses: Floats
    shifts: int
    background: float

    @property
    def mirrored(self) -> Heights:
        """Of -t."""
        first = 1 - self.first - self.masses.size
        return replace(self, middle=-self.middle, first=first, masses=self.masses[::-1])

    def over(self, rows: Iterable[Row], least: int) -> Floats:
        """(rows, shifts) log likelihoods, at the shifts from the least one on, which is a multiple of the stride."""
        shifts, columns = self._shifted.shape
        reach = _EVEN // self.stride
        start = reach + self.first - shifts + 1 - least // self.stride
        step, where = self.step * self.stride, slice(start, start + columns)
        density = np.array([row.even(step, reach)[where] for row in rows])
        density *= np.float32(1 - CONTAMINATION)
        density += np.float32(self.background)
        return np.asarray(np.log(density, out=density) @ self._shifted.T, np.float64)

    def scale(self, row: Row, shift: float) -> float:
        """The logarithm of the scale that a shift is for a row."""
        return self.middle - row.quartiles[1] + self.step * shift

    @cached_property
    def _shifted(self) -> Singles:
        """(shifts, m + shifts - 1): a row a shift."""
        beside = self.shifts - 1
        padded = np.zeros(self.masses.size + 2 * beside, np.float32)
        padded[beside:-beside] = self.masses
        return np.lib.stride_tricks.sliding_window_view(padded, padded.size - beside)


def looks(t: Floats, masses: Floats, background: float, *kinds: tuple[int, int]) -> list[Heights]:
    """Of ascending logarithms t (n,) of masses (n,), for some (stride, number of shifts)."""
    levels = (np.cumsum(masses) - masses / 2) / masses.sum()
    low, middle, high = np.interp((0.25, 0.5, 0.75), levels, t).tolist()
    step = 2.0 ** math.floor(math.log2(max(high - low, _LEAST * float(t[-1] - t[0])) / _FINE))
    place, found = (t - middle) / step, []
    for stride, shifts in kinds:
        reach = (_EVEN - SHIFTS) // stride - 3  # values further from the median count as that far
        binned = _spread(np.minimum(np.maximum(place / stride, -reach), reach), masses)
        found.append(Heights(middle, step, stride, *binned, shifts, background))
    return found


def _spread(place: Floats, masses: Floats) -> tuple[int, Floats]:
    """The first whole number and the masses from there on, those of each place at the four whole numbers about it."""
    floor = np.floor(place)
    s, first = place - floor, int(floor[0]) - 1
    before, rest, beyond = 1 + s, 1 - s, 2 - s
    inner, outer = before * beyond / 2, s * rest / 6
    weights = np.array([-outer * beyond, inner * rest, inner * s, -outer * before]) * masses
    places = floor.astype(np.intp) - first + _FOUR
    return first, np.bincount(places.ravel(), weights.ravel()).astype(np.float64)
