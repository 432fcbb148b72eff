"""Tail-index estimates along the number k of largest values, for a Hill plot.

With x_1 >= x_2 >= ... and M_r(k) the mean over i <= k of (log x_i - log x_{k+1})**r:
Hill (1975) M_1; moment estimate of Dekkers, Einmahl & de Haan (1989) M_1 + 1 - (1/2)/(1 - M_1**2/M_2), which may be
negative (a tail that ends); Pickands (1975) log((x_k - x_2k)/(x_2k - x_4k))/log 2.
All estimate xi; a power-law density falls as x**-(1 + 1/xi).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.checked_sample import checked_sample
from htmu_diag.fits.results import HillPlot
from htmu_diag.spectrum import Floats

__all__ = ["hill"]


def hill(values: npt.ArrayLike) -> HillPlot:
    """Hill, moment and Pickands estimates for every k, in O(n) after sorting."""
    sample = checked_sample(values)
    if not sample.status.ok:
        empty = np.empty(0)
        return HillPlot(empty, empty, empty, empty, empty, sample.status)
    x = sample.values[::-1]
    logs = np.log(x) - math.log(x[0])
    k = np.arange(2.0, x.size)
    base = logs[2:]
    first = np.cumsum(logs)[1:-1] / k - base
    second = np.cumsum(logs**2)[1:-1] / k - 2 * base * (first + base) + base**2
    with np.errstate(divide="ignore", invalid="ignore"):
        moment = first + 1 - 0.5 / (1 - first**2 / second)
        moment[~np.isfinite(moment)] = math.nan
    return HillPlot(k, first, first / np.sqrt(k), moment, _pickands(x / x[0], k.astype(np.intp)))


def _pickands(x: Floats, k: npt.NDArray[np.intp]) -> Floats:
    estimate = np.full(k.size, math.nan)
    k = k[4 * k <= x.size]
    upper, lower = x[k - 1] - x[2 * k - 1], x[2 * k - 1] - x[4 * k - 1]
    good = (upper > 0) & (lower > 0)
    estimate[: k.size][good] = np.log(upper[good] / lower[good]) / math.log(2)
    return estimate
