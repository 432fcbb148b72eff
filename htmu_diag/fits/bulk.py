"""The Marchenko-Pastur bulk of a spectrum, and the spikes above it.

Scale: the ratio of the sample's central quantiles (25 to 75 %) to the law's. Eigenvalues of noise are rigid (each stays
within O(log n / n) of its quantile), so the ratio is accurate to O(1/n), and spikes cannot move it once they are left
out and what they do to the bulk is taken into account (``spiked``).

Spikes: values beyond what the largest noise eigenvalue of the bulk's shape reaches once in a thousand matrices, beside
one spike once in twenty; the centring and scaling of Johnstone (2001) in the second-order form of Ma (2012), the
quantile by simulation with the scale fitted (``bulk_null``). Both steps are repeated until the number of spikes stands
still. Where more than half of the values would be spikes there is no bulk, and the status says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from htmu_diag.arguments import RATIO, checked, real
from htmu_diag.fits.bulk_null import edge_quantile
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.results import BulkFit, Status
from htmu_diag.fits.spiked import Bulk, bulk_beside, central_sum
from htmu_diag.laws import MarchenkoPastur
from htmu_diag.spectrum import Floats

__all__ = ["SPIKE_LEVEL", "failed_bulk", "fit_bulk", "spike_threshold"]

# One noise matrix in a thousand shows a spike: a model of 100 matrices, one in ten at initialisation
SPIKE_LEVEL = 1e-3
FURTHER_LEVEL = 0.05  # the same beside a spike: a false one more costs less than a true one left in the bulk
_MAX_ROUNDS = 50
_SCALE_ROUNDS = 3  # the strengths of the spikes depend on the scale and move it by O(k/n**2)


def fit_bulk(values: Floats, masses: Floats, gamma: float) -> BulkFit:
    """Scale, edges and spikes of ascending values whose masses sum to the dimension."""
    parts = _separate(values, masses, gamma)
    if not parts.scale > 0:
        message = "most of the eigenvalues are zero: no bulk to fit; look at the rank, or drop the zeros"
        return failed_bulk(gamma, values.size, Status("degenerate", message))
    bulk, scale, count = parts.bulk, parts.scale, parts.count
    law = MarchenkoPastur(bulk.gamma, scale * bulk.shrinkage)
    ks = ks_of_levels(bulk.levels(values[:count] / scale), masses[:count])
    spikes = values[count:].copy()
    status = _status(spikes.size, values.size)
    return BulkFit(
        gamma, scale, *law.edges, parts.threshold, spikes, values.size, ks_distance=ks, law=law, status=status
    )


def failed_bulk(gamma: float, n: int, status: Status) -> BulkFit:
    """No numbers, and the reason."""
    nan = math.nan
    return BulkFit(gamma, nan, nan, nan, nan, np.empty(0), n, status=status)


@checked(n=real(1), gamma=RATIO, scale=real(0, above=True), level=real(0.0001, 0.5))
def spike_threshold(n: float, gamma: float, scale: float = 1.0, level: float = SPIKE_LEVEL) -> float:
    """The value that the largest of n noise eigenvalues exceeds in this share of matrices (0.0001 to 0.5)."""
    return scale * edge_quantile(level, n, gamma)


@dataclass(frozen=True)
class _Parts:
    """The first ``count`` values are the bulk."""

    count: int
    bulk: Bulk
    scale: float
    threshold: float


def _separate(values: Floats, masses: Floats, gamma: float) -> _Parts:
    count, scale = values.size, 0.0
    total = max(float(masses.sum()), 1.0)
    for _ in range(_MAX_ROUNDS):
        central = central_sum(values[:count], masses[:count])
        for _ in range(_SCALE_ROUNDS if count < values.size else 1):
            bulk = bulk_beside(values[count:], masses[count:], total, gamma, scale)
            scale = central / float(bulk.central_quantiles().sum())
        level = SPIKE_LEVEL if count == values.size else FURTHER_LEVEL
        threshold = scale * bulk.shrinkage * edge_quantile(level, bulk.n, bulk.gamma)
        inside = int(np.searchsorted(values[:count], threshold, side="right"))
        if inside == count or inside < values.size / 2:
            return _Parts(inside, bulk, scale, threshold)
        count = inside
    return _Parts(count, bulk, scale, threshold)


def _status(spikes: int, n: int) -> Status:
    if spikes <= n / 2:
        return Status()
    message = f"{spikes} of {n} values lie beyond what noise of their median would reach: no Marchenko-Pastur bulk"
    return Status("degenerate", f"{message}; fit a law to the whole spectrum")
