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

__all__ = ["FAMILY", "Asked", "Given", "Orientation", "given_values"]

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
        check_fields(
            self,
            gamma=RATIO,
            orientation=_ORIENTATION,
            floor=_FLOOR,
            dimension=_DIMENSION,
            resolution=_RESOLUTION,
            below=_BELOW,
        )


_ORIENTATION = one_of("direct", "inverse", "auto")
_FLOOR = optional(either(real(), one_of("fit")))
_DIMENSION, _RESOLUTION = optional(whole(1)), optional(real(0, 1))
_BELOW = optional(real(0, above=True, infinite=True))


@dataclass(frozen=True)
class Given:
    """Ascending values with masses, those up to a cut; ``spikes`` lie beyond it."""

    asked: Asked
    values: Floats
    masses: Floats
    spikes: int

    def problem(self, shift: float) -> tuple[Problem, Status]:
        """With the floor taken off, and whether it can be fitted."""
        asked, hidden = self.asked, self._hidden
        sample = _without_rounding(self.values - shift if shift else self.values, asked.resolution)
        lost = self.masses.size - sample.values.size
        unseen = hidden + float(self.masses[:lost].sum())
        cut, weighted = None if asked.below is None else asked.below - shift, asked.weights is not None
        problem = Problem(
            sample.values, self.masses[lost:], asked.gamma, unseen, weighted, hidden > 0, cut, self.spikes
        )
        return problem, sample.status

    @property
    def _hidden(self) -> float:
        dimension, masses = self.asked.dimension, self.masses
        if dimension is None:
            return 0.0
        if dimension < masses.sum() - 1e-6 * dimension:
            raise InputError(
                f"dimension = {dimension} is less than the {masses.sum():g} values; pass the operator's own"
            )
        return float(max(dimension - masses.sum(), 0.0))


def given_values(asked: Sequence[Asked]) -> list[Given]:
    """Of each; values that several ask for are sorted once."""
    ascending: dict[tuple[int, int], tuple[Floats, Floats]] = {}
    found = []
    for one in asked:
        key = id(one.values), id(one.weights)
        if key not in ascending:
            ascending[key] = np.sort(as_values(one.values)), checked_masses(one.values, one.weights)
        values, masses = ascending[key]
        kept = values.size if one.below is None else int(np.searchsorted(values, one.below, side="right"))
        found.append(Given(one, values[:kept], masses[:kept], values.size - kept))
    return found


def _without_rounding(array: Floats, resolution: float | None) -> Sample:
    """Leave out what an eigenvalue solver cannot tell from zero: those values count as unseen, below the others."""
    if not array.size or not array[0] > _NOTHING:  # ascending, NaN at the end
        array = np.sort(np.where(np.abs(array) < _NOTHING, 0.0, array))
    sample = checked_ascending(array, positive=False)
    if not sample.status.ok:
        return sample
    share = array.size * np.finfo(np.float64).eps if resolution is None else resolution
    kept = array[np.searchsorted(array, array[-1] * share, side="right") :]
    status = sample.status if kept.size == array.size else checked_ascending(kept).status
    if kept.size < array.size / 4:
        message = f"{array.size - kept.size} of {array.size} values are zero to rounding; look at the rank"
        status = Status("degenerate", message)
    return Sample(kept, status)
