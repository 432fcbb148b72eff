"""The Marchenko-Pastur bulk of a spectrum, and the spikes above it.

Scale: the ratio of the sample's central quantiles (25 to 75 %) to the law's. Eigenvalues of noise are rigid (each stays
within O(log n / n) of its quantile), so the ratio is accurate to O(1/n), and spikes cannot move it once they are left
out. The k spikes take k rows and columns with them: what is left is the bulk of an (n - k) x (N - k) matrix, its mean
is smaller by (N - k)/N, and the estimate is corrected for that.

Spikes: values beyond the Tracy-Widom quantile of the largest noise eigenvalue, with the centring and scaling of
Johnstone (2001) in the second-order form of Ma (2012). Both steps are repeated until the number of spikes stands
still.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.results import BulkFit, Status
from htmu_diag.laws import MarchenkoPastur
from htmu_diag.spectrum import Floats

__all__ = ["failed_bulk", "fit_bulk", "spike_threshold"]

# the 99 % quantile of TracyWidom(1): one noise matrix in a hundred shows a spike
_TW_99 = 2.02344923
_CENTRAL = np.linspace(0.25, 0.75, 65)
_MAX_ROUNDS = 50


def fit_bulk(values: Floats, masses: Floats, gamma: float) -> BulkFit:
    """Scale, edges and spikes of ascending values whose masses sum to the dimension."""
    count, scale, threshold = _separate(values, masses, gamma)
    if not scale > 0:
        message = "most of the eigenvalues are zero: no bulk to fit; look at the rank, or drop the zeros"
        return failed_bulk(gamma, values.size, Status("degenerate", message))
    law = MarchenkoPastur(gamma, scale)
    ks = ks_of_levels(law.cdf(values[:count] / _shrinkage(masses, count, gamma)), masses[:count])
    edges = scale * (1 - math.sqrt(gamma)) ** 2, scale * (1 + math.sqrt(gamma)) ** 2
    return BulkFit(gamma, scale, *edges, threshold, values[count:].copy(), values.size, ks_distance=ks, law=law)


def failed_bulk(gamma: float, n: int, status: Status) -> BulkFit:
    """No numbers, and the reason."""
    nan = math.nan
    return BulkFit(gamma, nan, nan, nan, nan, np.empty(0), n, status=status)


def spike_threshold(n: float, gamma: float, scale: float = 1.0) -> float:
    """The value that the largest of n noise eigenvalues stays below in 99 of 100 matrices."""
    small, large = math.sqrt(n - 0.5), math.sqrt(n / gamma - 0.5)
    width = (small + large) * (1 / small + 1 / large) ** (1 / 3)
    return float(scale * ((small + large) ** 2 + _TW_99 * width) * gamma / n)


def _separate(values: Floats, masses: Floats, gamma: float) -> tuple[int, float, float]:
    """Values in the bulk, its scale, and the threshold."""
    count, total = values.size, max(float(masses.sum()), 1.0)
    for _ in range(_MAX_ROUNDS):
        scale = _central_scale(values[:count], masses[:count], gamma) / _shrinkage(masses, count, gamma)
        threshold = spike_threshold(total, gamma, scale)
        inside = int(np.searchsorted(values[:count], threshold, side="right"))
        if inside == count or inside < values.size // 2:
            break
        count = inside
    return count, scale, threshold


def _central_scale(values: Floats, masses: Floats, gamma: float) -> float:
    middle = (np.cumsum(masses) - masses / 2) / masses.sum()
    return float(np.interp(_CENTRAL, middle, values).sum() / _central_quantiles(gamma).sum())


def _shrinkage(masses: Floats, count: int, gamma: float) -> float:
    """Mean of the bulk that is left beside the spikes, in units of the scale: (N - k)/N."""
    return float(1 - gamma * masses[count:].sum() / masses.sum())


@lru_cache(maxsize=4096)
def _central_quantiles(gamma: float) -> Floats:
    return MarchenkoPastur(gamma).ppf(_CENTRAL)
