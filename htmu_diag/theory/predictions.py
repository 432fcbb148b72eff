"""What a fitted law and pure noise predict for the measured alpha, cached where only the shape matters."""

from __future__ import annotations

import math
from functools import lru_cache

from htmu_diag.fits import LawFit
from htmu_diag.laws import InverseHTMP, MarchenkoPastur
from htmu_diag.theory.exponents import estimated_exponent

__all__ = ["noise_exponent", "predicted_exponent"]

_MOST_QUANTILES = 2000  # quantiles of a law, not data: alpha has converged to three digits long before


def predicted_exponent(fit: LawFit) -> float:
    """Alpha that a fitted HTMP law predicts for the sample it was fitted to; NaN where the fit failed.

    Inverse HTMP: its tail exponent. HTMP: the exponent that the estimator gives on the law's own quantiles.
    """
    if fit.law is None:
        return math.nan
    if isinstance(fit.law, InverseHTMP):
        return fit.tail_exponent
    return estimated_exponent(fit.law, min(fit.n, _MOST_QUANTILES))


@lru_cache(maxsize=4096)
def noise_exponent(n: int, gamma: float) -> float:
    """Alpha that the estimator gives on the n quantiles of the Marchenko-Pastur law of ratio gamma; NaN for n = 0."""
    if n == 0:
        return math.nan
    return estimated_exponent(MarchenkoPastur(gamma), min(n, _MOST_QUANTILES))
