"""Distances between a sample and a law.

With u_i = F(x_i) for ascending x, the Kolmogorov-Smirnov distance is max_i max(i/n - u_i, u_i - (i-1)/n), and the
Anderson-Darling statistic A^2 = -n - (1/n) sum_i (2i - 1) (log u_i + log(1 - u_{n+1-i})) weighs both tails up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import checked, having
from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import as_values, checked_masses
from htmu_diag.laws.base import Law
from htmu_diag.spectrum import Floats

__all__ = ["LOG_TINY", "ad_distance", "ad_of_levels", "ks_distance", "ks_of_all", "ks_of_levels"]

_MANY = 3  # spectra that are cheaper together
_TINY = 1e-300
LOG_TINY = math.log(_TINY)


def ks_of_levels(levels: Floats, masses: Floats | None = None, below: float = 0.0) -> float:
    """KS distance of u_i = F(x_i), ascending, to the uniform law.

    masses: (n,) of the atoms, equal ones without; below: mass known only to lie below the first value.
    """
    if masses is None:
        after = (below + np.arange(1.0, levels.size + 1)) / (levels.size + below)
        return float(max((after - levels).max(), (levels - (after - 1 / (levels.size + below))).max()))
    total = masses.sum() + below
    after = (below + np.cumsum(masses)) / total
    before = after - masses / total
    return float(max((after - levels).max(), (levels - before).max()))


def ks_of_all(spectra: Sequence[Floats]) -> list[float]:
    """`ks_of_levels` of many, (n,) each."""
    if len(spectra) < _MANY:
        return [ks_of_levels(levels) for levels in spectra]
    sizes = np.array([levels.size for levels in spectra])
    ends = np.cumsum(sizes)
    n = np.repeat(sizes.astype(np.float64), sizes)
    levels, starts = np.concatenate(spectra), ends - sizes
    after = (np.arange(1.0, ends[-1] + 1) - np.repeat(starts, sizes)) / n
    gaps = after - levels
    np.maximum(gaps, levels - (after - 1 / n), out=gaps)
    return [float(gap) for gap in np.maximum.reduceat(gaps, starts)]


@checked(law=having("a law, such as HTMP(0.5, 2.0)", "cdf", "sf"))
def ks_distance(values: npt.ArrayLike, law: Law, weights: npt.ArrayLike | None = None) -> float:
    """Kolmogorov-Smirnov distance between values (with weights, if any) and a law; in [0, 1]."""
    array = _some(values)
    order = np.argsort(array)
    masses = None if weights is None else checked_masses(array, weights)
    return ks_of_levels(law.cdf(array[order]), masses)


@checked(law=having("a law, such as HTMP(0.5, 2.0)", "cdf", "sf"))
def ad_distance(values: npt.ArrayLike, law: Law) -> float:
    """Anderson-Darling statistic A^2 of values against a law (Anderson & Darling 1954); about 2.5 is the 5 % point."""
    array = np.sort(_some(values))
    return ad_of_levels(np.log(np.maximum(law.cdf(array), _TINY)), np.log(np.maximum(law.sf(array), _TINY)))


def _some(values: npt.ArrayLike) -> Floats:
    array = as_values(values)
    if not array.size:
        raise InputError("no values: a distance needs one at least")
    return array


def ad_of_levels(low: Floats, high: Floats) -> float:
    """The same from log F and log(1 - F) at the ascending values, (n,) each."""
    n = low.size
    both = np.maximum(low, LOG_TINY) + np.maximum(high, LOG_TINY)[::-1]
    return float(-n - np.mean((2 * np.arange(1, n + 1) - 1) * both))
