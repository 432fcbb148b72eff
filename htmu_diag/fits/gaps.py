"""The local repulsion of eigenvalues: the mean ratio of neighbouring gaps.

r_i = min(g_i, g_{i+1}) / max(g_i, g_{i+1}) needs no unfolding. Its mean is 2 log 2 - 1 = 0.3863 for independent values
(Poisson) and 0.5307 for the Gaussian orthogonal ensemble (Atas, Bogomolny, Giraud & Roux 2013). Between them it follows
the repulsion beta = kappa/N alone, whatever the global density: what a fitted kappa says about neighbours can be
compared with the neighbours themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.checked_sample import Sample, checked_sample
from htmu_diag.fits.results import GapRatio
from htmu_diag.spectrum import Floats

__all__ = ["GOE", "POISSON", "gap_ratio", "gap_ratio_at", "gap_ratios"]

POISSON, GOE = 2 * math.log(2) - 1, 0.5307
_BEND = (0.1016, -0.0622)  # of the cubic between them, by benchmarks/gap_ratio_curve.py


def gap_ratio(values: npt.ArrayLike) -> GapRatio:
    """Mean gap ratio of a spectrum. Repeated values (a gap of zero beside another) leave their ratio out."""
    return gap_ratios([values])[0]


def gap_ratios(spectra: Sequence[npt.ArrayLike | Sample]) -> list[GapRatio]:
    """`gap_ratio` of each."""
    samples = [checked_sample(values, positive=False) for values in spectra]
    found = iter(_of_ascending([sample.values for sample in samples if sample.status.ok]))
    return [next(found) if s.status.ok else GapRatio(math.nan, math.nan, 0, s.status) for s in samples]


def _of_ascending(spectra: list[Floats]) -> list[GapRatio]:
    """Ratios of all spectra behind one another, those across two spectra left out."""
    if not spectra:
        return []
    sizes = np.array([values.size for values in spectra])
    ends = np.cumsum(sizes)
    gaps = np.diff(np.concatenate([values / max(values[-1], 1e-300) for values in spectra]))
    low, high = np.minimum(gaps[:-1], gaps[1:]), np.maximum(gaps[:-1], gaps[1:])
    kept = high > 0
    kept[(ends[:-1, None] - [2, 1]).ravel()] = False
    counts = np.diff(np.concatenate([[0], np.cumsum(kept)[ends - 3]]))
    ratios, starts = low[kept] / high[kept], np.cumsum(counts) - counts
    # neighbouring ratios share a gap: blocks of two are nearly independent, so the variance takes their covariance
    means = np.add.reduceat(ratios, starts) / counts
    spread = ratios - np.repeat(means, counts)
    beside = np.append(spread[1:] * spread[:-1], 0.0)
    beside[starts + counts - 1] = 0.0
    variances = np.add.reduceat(spread**2, starts) / counts + 2 * np.add.reduceat(beside, starts) / (counts - 1)
    errors = np.sqrt(np.maximum(variances, 0.0) / counts)
    return [GapRatio(*each) for each in zip(means.tolist(), errors.tolist(), counts.tolist(), strict=True)]


def gap_ratio_at(beta: float) -> float:
    """Mean gap ratio of eigenvalues with repulsion |l_i - l_j|**beta, 0 to 1; beyond, that of 1.

    Simulated (``benchmarks/gap_ratio_curve.py``); accurate to 0.001, a third of what 10,000 eigenvalues show.
    """
    b = min(max(beta, 0.0), 1.0)
    return POISSON + (GOE - POISSON) * b + b * (1 - b) * (_BEND[0] + _BEND[1] * b)
