"""The local repulsion of eigenvalues: the mean ratio of neighbouring gaps.

r_i = min(g_i, g_{i+1}) / max(g_i, g_{i+1}) needs no unfolding. Its mean is 2 log 2 - 1 = 0.3863 for independent values
(Poisson) and 0.5307 for the Gaussian orthogonal ensemble (Atas, Bogomolny, Giraud & Roux 2013). Between them it follows
the repulsion beta = kappa/N alone, whatever the global density: what a fitted kappa says about neighbours can be
compared with the neighbours themselves.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.checked_sample import checked_sample
from htmu_diag.fits.results import GapRatio

__all__ = ["GOE", "POISSON", "gap_ratio", "gap_ratio_at"]

POISSON, GOE = 2 * math.log(2) - 1, 0.5307
_BEND = (0.1016, -0.0622)  # of the cubic between them, by benchmarks/gap_ratio_curve.py


def gap_ratio(values: npt.ArrayLike) -> GapRatio:
    """Mean gap ratio of a spectrum. Repeated values (a gap of zero beside another) leave their ratio out."""
    sample = checked_sample(values, positive=False)
    if not sample.status.ok:
        return GapRatio(math.nan, math.nan, 0, sample.status)
    return _of_ascending(sample.values.tobytes())


@lru_cache(maxsize=4)  # the fits of a spectrum ask for the same one after the other
def _of_ascending(doubles: bytes) -> GapRatio:
    values = np.frombuffer(doubles)
    gaps = np.diff(values / max(values[-1], 1e-300))
    low, high = np.minimum(gaps[:-1], gaps[1:]), np.maximum(gaps[:-1], gaps[1:])
    ratios = low[high > 0] / high[high > 0]
    # neighbouring ratios share a gap: blocks of two are nearly independent, so the variance takes their covariance
    spread = ratios - ratios.mean()
    variance = float(np.mean(spread**2) + 2 * np.mean(spread[1:] * spread[:-1]))
    return GapRatio(float(ratios.mean()), math.sqrt(max(variance, 0.0) / ratios.size), int(ratios.size))


def gap_ratio_at(beta: float) -> float:
    """Mean gap ratio of eigenvalues with repulsion |l_i - l_j|**beta, 0 to 1; beyond, that of 1.

    Simulated (``benchmarks/gap_ratio_curve.py``); accurate to 0.001, a third of what 10,000 eigenvalues show.
    """
    b = min(max(beta, 0.0), 1.0)
    return POISSON + (GOE - POISSON) * b + b * (1 - b) * (_BEND[0] + _BEND[1] * b)
