"""The local repulsion of eigenvalues: the mean ratio of neighbouring gaps.

r_i = min(g_i, g_{i+1}) / max(g_i, g_{i+1}) needs no unfolding. Its mean is 2 log 2 - 1 = 0.3863 for independent values
(Poisson) and 0.5307 for the Gaussian orthogonal ensemble (Atas, Bogomolny, Giraud & Roux 2013).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.checked_sample import checked_sample
from htmu_diag.fits.results import GapRatio

__all__ = ["gap_ratio"]


def gap_ratio(values: npt.ArrayLike) -> GapRatio:
    """Mean gap ratio of a spectrum. Repeated values (a gap of zero beside another) leave their ratio out."""
    sample = checked_sample(values, positive=False)
    if not sample.status.ok:
        return GapRatio(math.nan, math.nan, 0, sample.status)
    gaps = np.diff(sample.values / max(sample.values[-1], 1e-300))
    low, high = np.minimum(gaps[:-1], gaps[1:]), np.maximum(gaps[:-1], gaps[1:])
    ratios = low[high > 0] / high[high > 0]
    # neighbouring ratios share a gap: blocks of two are nearly independent, so the variance takes their covariance
    spread = ratios - ratios.mean()
    variance = float(np.mean(spread**2) + 2 * np.mean(spread[1:] * spread[:-1]))
    return GapRatio(float(ratios.mean()), math.sqrt(max(variance, 0.0) / ratios.size), int(ratios.size))
