"""The density of a spectrum on the one grid that all steps, layers and runs share: what a dashboard draws.

Bins are 24 a decade, their edges are 10**(k/24) for whole k: two densities can be subtracted, laid over each other or
put side by side in time without a new binning. At most six decades below the largest value are kept; the lowest bin
takes what lies below them, zeros are left out. With the bins comes the mass that the fitted law gives each of them, so
that the curve needs neither the law nor its parameters again. A density is stored as (rows, 1 + m): where its bins
begin, then their masses; centres are known from the place. Masses are square roots in 16 bits (`coded`), half of the
room of float32 and a relative error below 2e-4 at one of 10,000 eigenvalues; those of quadrature rules of indefinite
operators, which go far below that, are float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.analysis.outliers import are_outliers
from htmu_diag.analysis.shape import numerical_zero
from htmu_diag.laws.base import Law
from htmu_diag.spectrum import Floats, Kind, Spectrum

__all__ = [
    "DECADES",
    "KEPT",
    "PER_DECADE",
    "Density",
    "coded",
    "density",
    "density_of",
    "is_drawn",
    "is_signed",
    "law_share",
    "rows_of",
    "unpacked",
    "zero_of",
]

PER_DECADE = 24  # bins of a decade: a tenth of a decade holds two, a plot of 60 bars merges whole ones
KEPT = "_density"
Floats32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
DECADES = 6  # below the largest value; what lies lower is rounding or says nothing about the tail
_TINY = float(np.finfo(np.float64).tiny)
_NONE = 65535  # among coded masses: no value
_LEVELS = 65534.0  # of a coded mass: 1 is the last
_PLACE = 32768  # added to a coded place


@dataclass(frozen=True)
class Density:
    """Mass of a spectrum in the bins from 10**(first/24) on.

    mass: (m,) share of the spectrum of the values > 0; what it lacks to 1 is zero, censored or negative.
    other: (m,) for signed kinds the mass of the values < 0 by their magnitude; else what the fitted law gives each bin,
        scaled so that above rounding it has the share of the spectrum that lies there; NaN where no law was fitted.
    outliers: (2, m) of a quadrature rule of a signed kind: the mass of the positive and of the negative values that it
        knows one by one, beyond all others (`outliers.are_outliers`). None for other spectra.
    """

    first: int
    mass: Floats
    other: Floats
    outliers: Floats | None = None

    def packed(self) -> npt.NDArray[Any]:
        """(2 or 4, 1 + m): the place of the first bin, then mass and other, then the outliers'; see `rows_of`."""
        if self.outliers is None:
            rows = np.stack([self.mass, self.other])
            return np.hstack([np.full((2, 1), self.first + _PLACE, np.uint16), coded(rows)])
        rows = np.vstack([self.mass, self.other, self.outliers])
        return np.hstack([np.full((4, 1), float(self.first)), rows]).astype(np.float32)


def coded(masses: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Masses in [0, 1] as square roots in 16 bits; NaN is the number that is left."""
    levels = np.rint(np.sqrt(np.clip(masses, 0.0, 1.0)) * _LEVELS)
    return np.where(np.isnan(levels), _NONE, levels).astype(np.uint16)


def unpacked(rows: npt.NDArray[Any]) -> tuple[int, Floats32]:
    """Place of the first bin and (2 or 4, m) masses of a stored density. Files of earlier versions hold float32 alone:
    (2, 1 + m), or (3, m), whose first row are the centres of the bins."""
    if rows.dtype == np.uint16:
        masses = (rows[:, 1:] / _LEVELS) ** 2
        return int(rows[0, 0]) - _PLACE, np.where(rows[:, 1:] == _NONE, math.nan, masses).astype(np.float32)
    if len(rows) == 3:
        return round(math.log10(float(rows[0, 0])) * PER_DECADE - 0.5), rows[1:]
    return round(float(rows[0, 0])), rows[:, 1:]


def rows_of(kind: Kind, *, quadrature: bool = False) -> tuple[str, ...]:
    """What the rows of a density of that kind are."""
    if not is_signed(kind):
        return "mass", "law"
    return ("mass", "negative", "outliers", "negative_outliers") if quadrature else ("mass", "negative")


def is_signed(kind: Kind) -> bool:
    """Whether negative values are a part of the picture: of operators that are neither Gram matrices nor lengths."""
    return not kind.bulk and not kind.lower_tail


def density(diagnosis: Diagnosis) -> Density | None:
    """The density of a diagnosed spectrum; None where it has no value to show (all zero, or empty).

    A diagnosis keeps it once it was asked for, as it does its numbers, and takes it along when it is pickled.
    """
    kept = vars(diagnosis)
    if KEPT not in kept:
        kept[KEPT] = _of_diagnosis(diagnosis)
    found: Density | None = kept[KEPT]
    return found


def _of_diagnosis(diagnosis: Diagnosis) -> Density | None:
    fit = diagnosis.htmp
    if fit is None or fit.law is None or not is_drawn(fit.status.code):
        return density_of(diagnosis.fitted)
    return density_of(diagnosis.fitted, fit.law, fit.floor)


def density_of(spectrum: Spectrum, law: Law | None = None, floor: float = 0.0) -> Density | None:
    """The same of a spectrum and the law that was fitted to its values minus a floor."""
    signed = is_signed(spectrum.source.kind)
    kept = _shown(spectrum, signed)
    values, masses, magnitude = spectrum.values[kept], spectrum.masses[kept], np.abs(spectrum.values[kept])
    if not values.size:
        return None
    place = np.floor(np.log10(magnitude) * PER_DECADE).astype(int)  # (n,) bin of each value on the whole grid
    last = int(place.max())
    first = max(int(place.min()), last - DECADES * PER_DECADE + 1)
    place = np.maximum(place, first) - first
    mass = _in_bins(place, np.where(values > 0, masses, 0.0), last - first + 1)
    if signed:
        negative = _in_bins(place, np.where(values < 0, masses, 0.0), mass.size)
        return Density(first, mass, negative, _outliers(spectrum, kept, place, mass.size))
    if law is None:
        return Density(first, mass, np.full(mass.size, math.nan))
    edges = np.maximum(10.0 ** (np.arange(first, last + 2) / PER_DECADE) - floor, 0.0)
    return Density(first, mass, law_share(spectrum, law, floor, float(masses.sum())) * np.diff(law.cdf(edges)))


def law_share(spectrum: Spectrum, law: Law, floor: float, shown: float) -> float:
    """What a density of a law is multiplied by beside the values that differ from zero, a share ``shown`` of all: a law
    that has values where rounding hides them was fitted with them as zeros."""
    hidden = float(law.cdf(max(zero_of(spectrum) - floor, 0.0)))
    return shown / (1 - hidden) if hidden < 1 else 0.0


def is_drawn(status: str) -> bool:
    """Whether a fit of that outcome has a curve worth drawing."""
    return status in ("ok", "at_boundary", "noise", "does_not_describe")


def _shown(spectrum: Spectrum, signed: bool) -> Mask:
    """(n,) which values are no zeros; negative ones only where they are a part of it."""
    magnitude = np.abs(spectrum.values)
    return np.asarray((magnitude > zero_of(spectrum)) & (signed | (spectrum.values > 0)))


def _outliers(spectrum: Spectrum, shown: Mask, place: npt.NDArray[np.int_], count: int) -> Floats | None:
    if spectrum.estimator.method != "quadrature":
        return None
    masses = np.where(are_outliers(spectrum), spectrum.masses, 0.0)[shown]
    positive = spectrum.values[shown] > 0
    return np.stack([_in_bins(place, masses * side, count) for side in (positive, ~positive)])


def zero_of(spectrum: Spectrum) -> float:
    """Up to it a value of that spectrum is shown as none."""
    largest = max(-spectrum.values[0], spectrum.values[-1], 0.0) if spectrum.values.size else 0.0
    return max(numerical_zero(spectrum.dimension, largest), _TINY)


def _in_bins(place: npt.NDArray[np.int_], masses: Floats, count: int) -> Floats:
    return np.bincount(place, masses, count).astype(np.float64)
