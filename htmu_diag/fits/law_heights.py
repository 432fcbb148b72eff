"""The log likelihoods of many shapes of a law, at many scales each, as one product of matrices.

On an even grid about its median (`Row.even`) a law's contaminated log density is a vector; a sample, as masses on a
grid of the same step about its own median, is another. Their product is the log likelihood, at every shift of one
against the other, that is at every scale. The masses are weights of cubic interpolation, so the product is exact to
what a cubic leaves between grid points: nothing to speak of where the density is smooth, tenths where it has an edge.
Single precision takes a third of the time and leaves some 1e-7 of the sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from htmu_diag.fits.law_rows import Row, Singles
from htmu_diag.spectrum import Floats

__all__ = ["CONTAMINATION", "SHIFTS", "Heights", "Look", "looks", "over_all"]

CONTAMINATION = 0.02
_EVEN = 2048  # steps of a row's grid to either side of its median
SHIFTS = 160  # steps to either side of where the medians agree
_FINE = 64  # steps in the sample's quartile range; less than twice as many, for steps are powers of two
_LEAST = 1e-3  # of the sample's range: its quartile range at least
_FOUR = np.array([[-1], [0], [1], [2]])


@dataclass(frozen=True)
class Heights:
    """A sample on every stride-th point of the grid, the first of them at ``first``, tried at so many shifts, a stride
    apart.

    step: of the grid. middle: where its zero is, in t. total: of the masses. shifted: (m + shifts - 1, shifts) the
    masses, a column a shift. background: what contamination adds to the density of t.
    """

    middle: float
    step: float
    stride: int
    first: int
    total: float
    shifted: Singles
    background: float

    @property
    def shifts(self) -> int:
        return int(self.shifted.shape[1])

    @property
    def mirrored(self) -> Heights:
        """Of -t."""
        masses = len(self.shifted) - self.shifts + 1
        turned = np.ascontiguousarray(self.shifted[::-1, ::-1])
        return replace(self, middle=-self.middle, first=1 - self.first - masses, shifted=turned)

    def over(self, rows: Sequence[Row], least: int) -> Floats:
        """(rows, shifts) log likelihoods, at the shifts from the least one on, which is a multiple of the stride."""
        return over_all([Look(self, rows, least)])[0]

    def scale(self, row: Row, shift: float) -> float:
        """The logarithm of the scale that a shift is for a row."""
        return self.middle - row.quartiles[1] + self.step * shift


class Look(NamedTuple):
    """What `Heights.over` is asked."""

    heights: Heights
    rows: Sequence[Row]
    least: int


def over_all(asked: Sequence[Look]) -> list[Floats]:
    """The answers of `Heights.over` to all of them, of one sample and stride, upright or mirrored: one logarithm of all
    densities, and a product for each, so that the answer is that of the look alone to the last bit."""
    one = asked[0].heights
    columns = len(one.shifted)
    reach, step = _EVEN // one.stride, one.step * one.stride
    density = np.empty((sum(len(rows) for _, rows, _ in asked), columns), np.float32)
    ends = [0]
    for heights, rows, least in asked:
        start = reach + heights.first - heights.shifts + 1 - least // one.stride
        for place, row in enumerate(rows, ends[-1]):
            density[place] = row.even(step, reach)[start : start + columns]
        ends.append(ends[-1] + len(rows))
    density *= np.float32(1 - CONTAMINATION)
    density += np.float32(one.background)
    np.log(density, out=density)
    parts = zip(asked, ends, ends[1:], strict=False)
    return [(density[first:end] @ look.heights.shifted).astype(np.float64) for look, first, end in parts]


def looks(t: Floats, masses: Floats, background: float, *kinds: tuple[int, int]) -> list[Heights]:
    """Of ascending logarithms t (n,) of masses (n,), for some (stride, number of shifts)."""
    levels = (np.cumsum(masses) - masses / 2) / masses.sum()
    low, middle, high = np.interp((0.25, 0.5, 0.75), levels, t).tolist()
    total, step = (
        float(masses.sum()),
        2.0 ** math.floor(math.log2(max(high - low, _LEAST * float(t[-1] - t[0])) / _FINE)),
    )
    place, found = (t - middle) / step, []
    for stride, shifts in kinds:
        reach = (_EVEN - SHIFTS) // stride - 3  # values further from the median count as that far
        first, binned = _spread(np.minimum(np.maximum(place / stride, -reach), reach), masses)
        found.append(Heights(middle, step, stride, first, total, _shifted(binned, shifts), background))
    return found


def _shifted(masses: Floats, shifts: int) -> Singles:
    """(m + shifts - 1, shifts): the masses at the end of the first column, one further up in each that follows."""
    padded = np.zeros(masses.size + 2 * (shifts - 1), np.float32)
    padded[shifts - 1 : shifts - 1 + masses.size] = masses
    columns = np.ndarray((masses.size + shifts - 1, shifts), np.float32, padded, strides=2 * padded.strides)
    return np.ascontiguousarray(columns)


def _spread(place: Floats, masses: Floats) -> tuple[int, Floats]:
    """The first whole number and the masses from there on, those of each place at the four whole numbers about it."""
    floor = np.floor(place)
    s, first = place - floor, int(floor[0]) - 1
    before, rest, beyond = 1 + s, 1 - s, 2 - s
    inner, outer = before * beyond / 2, s * rest / 6
    weights = np.array([-outer * beyond, inner * rest, inner * s, -outer * before]) * masses
    places = floor.astype(np.intp) - first + _FOUR
    return first, np.bincount(places.ravel(), weights.ravel()).astype(np.float64)
