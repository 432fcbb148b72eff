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
from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np

from htmu_diag.arguments import RATIO, checked, real
from htmu_diag.fits.bulk_null import LEAST_P, bulk_p_value, edge_p_value, edge_quantile
from htmu_diag.fits.bulk_rounds import SPIKE_LEVEL, Asked, Parts, separated
from htmu_diag.fits.distance import ks_of_all, ks_of_levels
from htmu_diag.fits.results import BulkFit, Status
from htmu_diag.fits.spiked import excess, shares_below, turn
from htmu_diag.laws import MarchenkoPastur
from htmu_diag.spectrum import Floats

__all__ = ["SPIKE_LEVEL", "bulk_levels", "failed_bulk", "fit_bulks", "spike_threshold"]

_NO_BULK = Status("degenerate", "most of the eigenvalues are zero: no bulk to fit; look at the rank, or drop the zeros")


def fit_bulks(asked: Sequence[Asked]) -> list[BulkFit]:
    """Scale, edges, spikes and p-values of each; no p-values beside masses, which sum to the dimension."""
    parts = separated(asked) if asked else []
    sound = [pair for pair in zip(asked, parts, strict=True) if pair[1].scale > 0]
    distances = iter(_distances(sound) if sound else [])
    return [
        _fit(each, part, next(distances)) if part.scale > 0 else failed_bulk(each.gamma, each.values.size, _NO_BULK)
        for each, part in zip(asked, parts, strict=True)
    ]


def failed_bulk(gamma: float, n: int, status: Status) -> BulkFit:
    """No numbers, and the reason."""
    nan = math.nan
    return BulkFit(gamma, nan, nan, nan, nan, np.empty(0), n, status=status)


@checked(n=real(1), gamma=RATIO, scale=real(0, above=True), level=real(0.0001, 0.5))
def spike_threshold(n: float, gamma: float, scale: float = 1.0, level: float = SPIKE_LEVEL) -> float:
    """The value that the largest of n noise eigenvalues exceeds in this share of matrices (0.0001 to 0.5)."""
    return scale * edge_quantile(level, n, gamma)


def _distances(pairs: Sequence[tuple[Asked, Parts]]) -> list[float]:
    """KS distances of the values below the threshold to the law of their bulk, each."""
    levels = bulk_levels(*zip(*pairs, strict=True))
    plain = iter(ks_of_all([those for those, (asked, _) in zip(levels, pairs, strict=True) if asked.masses is None]))
    return [
        next(plain) if asked.masses is None else ks_of_levels(those, asked.masses[: part.count])
        for those, (asked, part) in zip(levels, pairs, strict=True)
    ]


def _fit(asked: Asked, parts: Parts, ks: float) -> BulkFit:
    values, gamma = asked.values, asked.gamma
    law = MarchenkoPastur(parts.gamma, parts.scale * parts.shrinkage)
    spikes = values[parts.count :].copy()
    status = _status(spikes.size, values.size)
    p = edge_p = math.nan
    if asked.masses is None:
        p = edge_p = LEAST_P
        if status.ok:
            p = bulk_p_value(ks, float(parts.count), parts.gamma)
            edge_p = edge_p_value(values.item(-1) / parts.scale, float(values.size), gamma)
    return BulkFit(gamma, parts.scale, *law.edges, parts.threshold, spikes, values.size, ks, p, law, status, edge_p)


def bulk_levels(asked: Sequence[Asked], parts: Sequence[Parts]) -> list[Floats]:
    """The expected share of each bulk below each of its values, (count,)."""
    counts = [part.count for part in parts]
    scale, shrinkage, gamma = (
        np.repeat([getattr(part, name) for part in parts], counts) for name in ("scale", "shrinkage", "gamma")
    )
    below = np.concatenate([each.values[: part.count] for each, part in zip(asked, parts, strict=True)])
    levels, sine, cosine = shares_below(below / scale / shrinkage, gamma)
    ends = list(accumulate(counts, initial=0))
    for part, first, last in zip(parts, ends, ends[1:], strict=False):
        if part.shown is not None:
            places = turn(sine[None, first:last], cosine[None, first:last])
            levels[first:last] += excess(*part.shown, places).sum(axis=0) / part.n
    return [levels[first:last] for first, last in pairwise(ends)]


def _status(spikes: int, n: int) -> Status:
    if spikes <= n / 2:
        return Status()
    message = f"{spikes} of {n} values lie beyond what noise of their median would reach: no Marchenko-Pastur bulk"
    return Status("degenerate", f"{message}; fit a law to the whole spectrum")
