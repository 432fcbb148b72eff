"""The share of a spectrum near zero that noise of its shape does not have: a rank that has collapsed.

"Near" is a thousandth of the median of Marchenko-Pastur noise whose upper quartile is that of the spectrum: a matrix of
rank 0.7 n and noise of 1e-4 beside it has no eigenvalue that is zero to rounding, and 30 % of them a hundred million
times too small. Noise itself has a share there where it is square, F(x) of about (2/pi) sqrt(x); it is taken off.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from htmu_diag.fits.quantiles import quantile_of_sorted
from htmu_diag.laws import MarchenkoPastur
from htmu_diag.spectrum import Floats

__all__ = ["near_zero_share", "noise_quartiles"]

NEAR = 1e-3  # of the median: a direction with a thirtieth of the typical singular value
_QUARTILE = 0.75  # the median itself is near zero where half of the rank is gone


def near_zero_share(values: Floats, gamma: float) -> float:
    """Share in [0, 1] of ascending values (n,) near zero beyond that of noise of ratio gamma; NaN for no values."""
    if values.size == 0:
        return float("nan")
    quartile, near, expected = _noise(gamma)
    limit = near * quantile_of_sorted(values, _QUARTILE) / quartile
    return max(float(values.searchsorted(limit, side="right")) / values.size - expected, 0.0)


@lru_cache(maxsize=4096)
def noise_quartiles(gamma: float) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of noise of ratio gamma and mean one."""
    low, middle, high = MarchenkoPastur(gamma).ppf(np.array([1 - _QUARTILE, 0.5, _QUARTILE]))
    return float(low), float(middle), float(high)


@lru_cache(maxsize=4096)
def _noise(gamma: float) -> tuple[float, float, float]:
    """Upper quartile of noise of mean one, what is near zero there, and the share of noise that lies below that."""
    _, median, quartile = noise_quartiles(gamma)
    return quartile, NEAR * median, float(MarchenkoPastur(gamma).cdf(NEAR * median))
