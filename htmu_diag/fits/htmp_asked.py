"""What an HTMP fit is asked for, and the problem that comes of it: which values, with which masses, the rest unseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import RATIO, check_fields, either, one_of, optional, real, whole
from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import Sample, as_values, checked_ascending, checked_masses
from htmu_diag.fits.htmp_problem import Problem
from htmu_diag.fits.results import Status
from htmu_diag.spectrum import Floats

__all__ = ["FAMILY", "Asked", "Given", "Orientation", "given_values", "problems_of"]

Orientation = Literal["direct", "inverse"]
FAMILY: dict[str, str] = {"direct": "HTMP", "auto": "HTMP", "inverse": "InverseHTMP"}
_NOTHING = 1e-290  # such values count as zeros


@dataclass(frozen=True, eq=False)
class Asked:
    """One fit of many: values (n,), gamma and the rest as `fit_htmp` takes them."""

    values: npt.ArrayLike
    gamma: float
    orientation: Literal["direct", "inverse", "auto"] = "direct"
    floor: float | Literal["fit"] | None = None
    weights: npt.ArrayLike | None = None
    dimension: int | None = None
    resolution: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        check_fields(self, gamma=RATIO, orientation=_ORIENTATION)
        if not (self.floor is self.dimension is self.resolution is self.below is None):
            check_fields(self, **_OPTIONAL)


_ORIENTATION = one_of("direct", "inverse", "auto")
_OPTIONAL = {
    "floor": optional(either(real(), one_of("fit"))),
    "dimension": optional(whole(1)),
    "resolution": optional(real(0, 1)),
    "below": optional(real(0, above=True, infinite=True)),
}


@dataclass(frozen=True)
class Given:
    """Ascending values with masses, those up to a cut; ``spikes`` lie beyond it."""

    asked: Asked
    values: Floats
    masses: Floats
    spikes: int

    @property
    def hidden(self) -> float:
        """Eigenvalues below the values that were given."""
        dimension, masses = self.asked.dimension, self.masses
        if dimension is None:
            return 0.0
        if dimension < masses.sum() - 1e-6 * dimension:
            raise InputError(
                f"dimension = {dimension} is less than the {masses.sum():g} values; pass the operator's own"
            )
        return float(max(dimension - masses.sum(), 0.0))


def given_values(asked: Sequence[Asked]) -> list[Given]:
    """Of each; values that several ask for are sorted once, and those with one cut are one array."""
    ascending: dict[tuple[int, int], tuple[Floats, Floats]] = {}
    cuts: dict[tuple[int, int, float | None], tuple[Floats, Floats, int]] = {}
    found = []
    for one in asked:
        key = id(one.values), id(one.weights)
        if key not in ascending:
            ascending[key] = np.sort(as_values(one.values)), checked_masses(one.values, one.weights)
        part = *key, one.below
        if part not in cuts:
            cuts[part] = _up_to(one.below, *ascending[key])
        found.append(Given(one, *cuts[part]))
    return found


def _up_to(end: float | None, values: Floats, masses: Floats) -> tuple[Floats, Floats, int]:
    """What lies there, and how many values beyond."""
    if end is None or not values.size or values[-1] <= end:
        return values, masses, 0
    kept = int(np.searchsorted(values, end, side="right"))
    return values[:kept], masses[:kept], values.size - kept


def problems_of(shifted: Sequence[tuple[Given, float]]) -> list[tuple[Problem, Status]]:
    """Each with its floor taken off, and whether it can be fitted; what several share is one problem."""
    samples: dict[tuple[int, float, float | None], Sample] = {}
    problems: dict[tuple[object, ...], tuple[Problem, Status]] = {}
    found = []
    for given, shift in shifted:
        asked, values = given.asked, given.values
        numbers = id(values), shift, asked.resolution
        key = (*numbers, id(given.masses), asked.gamma, asked.dimension, asked.below)
        if key not in problems:
            if numbers not in samples:
                samples[numbers] = _without_rounding(values - shift if shift else values, asked.resolution)
            problems[key] = _problem(given, shift, samples[numbers])
        found.append(problems[key])
    return found


def _problem(given: Given, shift: float, sample: Sample) -> tuple[Problem, Status]:
    asked, masses = given.asked, given.masses
    hidden = unseen = given.hidden
    if lost := masses.size - sample.values.size:
        unseen, masses = hidden + float(masses[:lost].sum()), masses[lost:]
    cut = None if asked.below is None else asked.below - shift
    weighted = asked.weights is not None
    return Problem(sample.values, masses, asked.gamma, unseen, weighted, hidden > 0, cut, given.spikes), sample.status


def _without_rounding(array: Floats, resolution: float | None) -> Sample:
    """Leave out what an eigenvalue solver cannot tell from zero: those values count as unseen, below the others."""
    if not array.size or not array[0] > _NOTHING:  # ascending, NaN at the end
        array = np.sort(np.where(np.abs(array) < _NOTHING, 0.0, array))
    sample = checked_ascending(array, positive=False)
    if not sample.status.ok:
        return sample
    share = array.size * np.finfo(np.float64).eps if resolution is None else resolution
    floor = array[-1] * share
    kept = array if array[0] > floor else array[np.searchsorted(array, floor, side="right") :]
    status = sample.status if kept.size == array.size else checked_ascending(kept).status
    if kept.size < array.size / 4:
        message = f"{array.size - kept.size} of {array.size} values are zero to rounding; look at the rank"
        status = Status("degenerate", message)
    return Sample(kept, status)
