"""What every fit does first: sort the values and find out whether they can be fitted at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import RATIO, XMIN, real_array
from htmu_diag.errors import InputError
from htmu_diag.fits.results import Status
from htmu_diag.spectrum import Floats

__all__ = [
    "MIN_DISTINCT",
    "MIN_VALUES",
    "Sample",
    "as_values",
    "check_gamma",
    "check_xmin",
    "checked_ascending",
    "checked_masses",
    "checked_sample",
]

# Clauset, Shalizi & Newman 2009 (section 3.3) advise against fits to small samples; below 10 nothing is identified
MIN_VALUES = 10
MIN_DISTINCT = 5
# of the largest value: an orthogonal matrix made in single precision spreads its eigenvalues over 2e-6 at a side of 64
# and over some 1e-5 at 4096; a power law as narrow would have an exponent of 10,000
_ROUNDING = 1e-4
_LARGEST = 1e290  # so that sums, reciprocals and products with a sample size stay finite
_SMALLEST = 1 / _LARGEST
_OK = Status()


@dataclass(frozen=True)
class Sample:
    """values: (n,) ascending float64, never written to; status: ok, or why no law can be fitted and what to do."""

    values: Floats
    status: Status


def as_values(values: npt.ArrayLike) -> Floats:
    """A one-dimensional float64 array, (n,). Raises InputError for anything that is not one."""
    array = real_array(values)
    if array.ndim != 1:
        raise InputError(f"values have shape {array.shape}; pass a one-dimensional array (values.ravel() flattens one)")
    return array.copy()


def checked_sample(values: npt.ArrayLike | Sample, *, positive: bool = True, minimum: int = MIN_VALUES) -> Sample:
    """The values in ascending order, with the first reason why they cannot be fitted; of a sample whose values were
    all positive that sample."""
    if isinstance(values, Sample):
        if values.status.ok and minimum == MIN_VALUES:
            return values
        values = values.values
    array = as_values(values)
    array.sort()
    return checked_ascending(array, positive=positive, minimum=minimum)


def checked_ascending(array: Floats, *, positive: bool = True, minimum: int = MIN_VALUES) -> Sample:
    """The same of values that are in ascending order, NaN at the end."""
    return Sample(array, _outcome(array, positive, minimum))


def _outcome(array: Floats, positive: bool, minimum: int) -> Status:
    low, high = (array.item(0), array.item(-1)) if array.size else (math.nan, math.nan)
    if not _SMALLEST <= low <= high <= _LARGEST:  # ascending, NaN at the end
        wrong = _wrong_values(array, positive)
        if not wrong.ok:
            return wrong
    return _spread(array, low, high, minimum)


def _wrong_values(array: Floats, positive: bool) -> Status:
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        return Status("bad_values", f"{bad} of {array.size} values are NaN or infinite; remove or repair them")
    sizes = np.abs(array[array != 0])
    far = int(np.count_nonzero((sizes > _LARGEST) | (sizes < _SMALLEST)))
    if far:
        return Status("bad_values", f"{far} of {array.size} values lie beyond 1e+-290; rescale them or drop them")
    low = int(np.count_nonzero(array <= 0)) if positive else int(np.count_nonzero(array < 0))
    if low:
        what = "zero or negative" if positive else "negative"
        return Status("bad_values", f"{low} of {array.size} values are {what}; fit the positive ones alone")
    return Status()


def _spread(array: Floats, low: float, high: float, minimum: int) -> Status:
    if array.size < minimum:
        return Status("too_few_values", f"{array.size} values where {minimum} are needed; use a larger matrix")
    distinct = 1 + int(np.count_nonzero(array[1:] != array[:-1]))
    if distinct < min(MIN_DISTINCT, minimum):
        message = (
            f"{array.size} values but only {distinct} distinct; a constant or quantised spectrum has no law to fit"
        )
        return Status("degenerate", message)
    if high - low <= _ROUNDING * max(abs(low), abs(high)):
        message = f"all {array.size} values are equal to rounding (an orthogonal matrix?); there is no law to fit"
        return Status("degenerate", message)
    return _OK


def check_gamma(gamma: float) -> None:
    """Raises InputError where gamma is no aspect ratio."""
    RATIO("gamma", gamma)


def check_xmin(xmin: float) -> None:
    """Raises InputError where no tail can start."""
    XMIN("xmin", xmin)


def checked_masses(values: npt.ArrayLike, weights: npt.ArrayLike | None) -> Floats:
    """The masses in the order of the ascending values, ones without weights. Raises InputError on a mismatch."""
    array = as_values(values)
    if weights is None:
        return np.ones(array.size)
    masses = as_values(weights)
    if masses.shape != array.shape or not (masses >= 0).all() or (masses.size and not 0 < masses.sum() < np.inf):
        raise InputError(f"weights {masses.shape} for values {array.shape}: pass one non-negative mass for each value")
    return masses[np.argsort(array, kind="stable")]
