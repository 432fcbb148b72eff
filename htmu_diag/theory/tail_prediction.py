"""What a law predicts for the alpha that is measured above a given xmin.

The estimator is alpha = 1 + k / sum log(x/xmin) over the k values from xmin on. Above xmin a law gives log(x/xmin) the
mean m and the variance v, and the smallest of the k values is xmin itself, so

    alpha - 1 = k/((k - 1) m),    standard error of its logarithm sqrt(v/(k - 1))/m if the values were independent,

whether or not the law's tail is a power law (for one, alpha is its exponent). Moments are integrals of the survival
function, m = integral of S(x) dlog x / S(xmin). Eigenvalues repel each other and xmin was searched for; both change the
spread, by factors that ``benchmarks/htmp_null_table.py`` measures on draws of the law's matrix model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from htmu_diag.laws.base import Law

__all__ = ["TailPrediction", "exponent_above"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_LONGEST = 600.0  # in log x: beyond it values leave the floats
_NEGLIGIBLE = 1e-10  # of the tail's mass; what lies beyond changes m by less than a millionth of itself


@dataclass(frozen=True)
class TailPrediction:
    """alpha: predicted exponent. log_stderr: standard error of log(alpha - 1) for independent values."""

    alpha: float
    log_stderr: float


def exponent_above(law: Law, xmin: float, n_tail: int) -> TailPrediction:
    """The exponent that the estimator gives on n_tail values of a law from xmin on; NaN where the law ends below it."""
    share = float(law.sf(xmin)) if n_tail > 1 and xmin > 0 else 0.0
    if not share > 1e-290:
        return TailPrediction(math.nan, math.nan)
    length = math.log(float(law.isf(share * _NEGLIGIBLE))) - math.log(xmin)
    if not 0 < length < _LONGEST:
        return TailPrediction(math.nan, math.nan)
    t = length * (_NODES + 1) / 2
    survival = law.sf(xmin * np.exp(t)) / share * _WEIGHTS * length / 2
    mean, square = float(survival.sum()), 2 * float(survival @ t)
    spread = math.sqrt(max(square - mean**2, 0.0) / (n_tail - 1)) / mean
    return TailPrediction(1 + n_tail / (n_tail - 1) / mean, spread)
