"""What a fitted law and pure noise predict for the measured alpha and for the largest eigenvalue.

Measured and predicted stand on the same part of the spectrum: the same estimator above the measured xmin (for noise,
above the same quantile). The asymptotic exponent of inverse HTMP (`LawFit.tail_exponent`) is another number: a sample
seldom reaches it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from htmu_diag.fits import LawFit, TailFit
from htmu_diag.fits.htmp_null import prediction_scores
from htmu_diag.fits.repulsion import matrix_kappa
from htmu_diag.fits.results import UNKNOWN, Interval
from htmu_diag.laws import InverseHTMP, MarchenkoPastur
from htmu_diag.laws.base import exp_or_inf
from htmu_diag.laws.htmp_rows import RowLaw, row_law
from htmu_diag.spectrum import Floats
from htmu_diag.theory.exponents import estimated_exponent
from htmu_diag.theory.tail_prediction import TailPrediction, exponent_above, exponents_above

__all__ = ["Prediction", "noise_exponent", "predict", "predictions", "scanned_noise_exponent"]

_MOST_QUANTILES = 2000  # quantiles of a law, not data: alpha has converged to three digits long before


@dataclass(frozen=True)
class Prediction:
    """alpha: what the estimator gives on the fitted law above the measured xmin; interval: where 95 % of the alphas of
    spectra of this law lie, xmin searched for. lambda_max: the median of the largest of n values of the law.
    """

    alpha: float = math.nan
    interval: Interval = UNKNOWN
    lambda_max: float = math.nan


def predict(fit: LawFit, tail: TailFit) -> Prediction:
    """From an HTMP fit and the tail fitted to the same values; NaN where either failed."""
    return predictions([fit], [tail])[0]


def predictions(fits: Sequence[LawFit], tails: Sequence[TailFit]) -> list[Prediction]:
    """`predict` of many, to each the same as alone."""
    found = [Prediction() if fit.law is None or not fit.n else None for fit in fits]
    rows = {i: law for i, fit in enumerate(fits) if found[i] is None and (law := row_law(fit.law)) is not None}
    if rows:
        for i, one in zip(
            rows, _of_rows(list(rows.values()), [fits[i] for i in rows], [tails[i] for i in rows]), strict=True
        ):
            found[i] = one
    return [_alone(fit, tail) if one is None else one for one, fit, tail in zip(found, fits, tails, strict=True)]


def _of_rows(laws: list[RowLaw], fits: list[LawFit], tails: list[TailFit]) -> list[Prediction | None]:
    """None where a quantile lies beyond the rows."""
    largest = [law.upper_quantile(math.log(_above_largest(fit.n))) for law, fit in zip(laws, fits, strict=True)]
    exponents = exponents_above(laws, [tail.xmin for tail in tails], [tail.n_tail for tail in tails])
    return [
        None if found is None or math.isnan(place) else _prediction(fit, found, exp_or_inf(place))
        for place, fit, found in zip(largest, fits, exponents, strict=True)
    ]


def _above_largest(n: int) -> float:
    """Share of a law above the median of the largest of n values."""
    return -math.expm1(-math.log(2) / n)


def _alone(fit: LawFit, tail: TailFit) -> Prediction:
    assert fit.law is not None
    largest = float(fit.law.isf(_above_largest(fit.n)))
    return _prediction(fit, exponent_above(fit.law, tail.xmin, tail.n_tail), largest)


def _prediction(fit: LawFit, found: TailPrediction, largest: float) -> Prediction:
    if not found.alpha > 1:
        return Prediction(lambda_max=largest)
    gamma, kappa = (float(getattr(fit.law, name, math.nan)) for name in ("gamma", "kappa"))
    inverse = isinstance(fit.law, InverseHTMP)
    low, high = prediction_scores(fit.n, gamma, matrix_kappa(kappa, fit.n), inverse=inverse)
    band = [1 + (found.alpha - 1) * math.exp(score * found.log_stderr) for score in (low, high)]
    return Prediction(found.alpha, (band[0], band[1]), largest)


def noise_exponent(tail: TailFit, gamma: float) -> float:
    """Alpha that the estimator gives on Marchenko-Pastur noise of ratio gamma, above the quantile of the measured xmin;
    NaN where no tail was fitted."""
    if tail.n_tail < 2:
        return math.nan
    log_shares, log_means = _noise_tails(gamma)
    mean = math.exp(float(np.interp(math.log(tail.n_tail / tail.n), log_shares, log_means)))
    return 1 + tail.n_tail / (tail.n_tail - 1) / mean


@lru_cache(maxsize=4096)
def scanned_noise_exponent(n: int, gamma: float) -> float:
    """Alpha that the estimator gives on the n quantiles of noise of ratio gamma, xmin searched for there: what to
    expect of a noise matrix where nothing was measured. NaN for n = 0."""
    return estimated_exponent(MarchenkoPastur(gamma), min(n, _MOST_QUANTILES)) if n else math.nan


@lru_cache(maxsize=1024)
def _noise_tails(gamma: float) -> tuple[Floats, Floats]:
    """Log of the share of noise above x, and log of the mean of log(value/x) there, ascending in the share."""
    x = 1 + gamma + 2 * math.sqrt(gamma) * np.cos(math.pi * np.linspace(0, 1, 801)[1:] ** 1.5)
    x = np.concatenate([[(1 + math.sqrt(gamma)) ** 2], np.maximum(x, 1e-9)])  # from the upper edge down
    survival, t = MarchenkoPastur(gamma).sf(x), np.log(x)
    integral = np.cumsum((survival[1:] + survival[:-1]) / 2 * -np.diff(t))
    kept = slice(20, None)  # nearer to the edge a trapezium is too coarse, and no sample has so few values there
    return np.log(survival[1:][kept]), np.log((integral / survival[1:])[kept])
