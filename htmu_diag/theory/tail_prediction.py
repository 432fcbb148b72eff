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
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from htmu_diag.laws.base import Law
from htmu_diag.laws.htmp_rows import RowLaw, log_survivals, log_survivals_at
from htmu_diag.spectrum import Floats

__all__ = ["TailPrediction", "exponent_above", "exponents_above"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_LONGEST = 600.0  # in log x: beyond it values leave the floats
_LEAST = 1e-290  # share of a law that is more than none
_NEGLIGIBLE = 1e-10  # of the tail's mass; what lies beyond changes m by less than a millionth of itself


@dataclass(frozen=True)
class TailPrediction:
    """alpha: predicted exponent. log_stderr: standard error of log(alpha - 1) for independent values."""

    alpha: float
    log_stderr: float


_NONE = TailPrediction(math.nan, math.nan)


def exponent_above(law: Law, xmin: float, n_tail: int) -> TailPrediction:
    """The exponent that the estimator gives on n_tail values of a law from xmin on; NaN where the law ends below it."""
    share = float(law.sf(xmin)) if n_tail > 1 and xmin > 0 else 0.0
    if not share > _LEAST:
        return _NONE
    length = math.log(float(law.isf(share * _NEGLIGIBLE))) - math.log(xmin)
    if not 0 < length < _LONGEST:
        return _NONE
    t = length * (_NODES + 1) / 2
    (mean,), (square,) = _moments(law.sf(xmin * np.exp(t))[None], t[None], np.array([[share]]), np.array([[length]]))
    return _of_moments(mean, square, n_tail)


def exponents_above(
    laws: Sequence[RowLaw], xmins: Sequence[float], n_tails: Sequence[int]
) -> list[TailPrediction | None]:
    """`exponent_above` of many laws; None where a quantile lies beyond the rows."""
    found: list[TailPrediction | None] = [_NONE] * len(laws)
    chosen = []
    able = [i for i, (xmin, n_tail) in enumerate(zip(xmins, n_tails, strict=True)) if n_tail > 1 and xmin > 0]
    log_shares = log_survivals_at([laws[i] for i in able], [xmins[i] for i in able])
    for i, log_share in zip(able, log_shares, strict=True):
        law, xmin, share = laws[i], xmins[i], math.exp(log_share)
        if share > _LEAST:
            length = law.upper_quantile(math.log(share * _NEGLIGIBLE)) - math.log(xmin)
            if math.isnan(length):
                found[i] = None
            elif 0 < length < _LONGEST:
                chosen.append((i, xmin, share, length))
    if not chosen:
        return found
    order, starts, shares, lengths = zip(*chosen, strict=True)
    t = np.array(lengths)[:, None] * (_NODES + 1) / 2
    points = np.log(np.array(starts)[:, None] * np.exp(t)).ravel()
    survival = np.exp(log_survivals([laws[i] for i in order], [_NODES.size] * len(order), points)).reshape(t.shape)
    means, squares = _moments(survival, t, np.array(shares)[:, None], np.array(lengths)[:, None])
    for i, mean, square in zip(order, means, squares, strict=True):
        found[i] = _of_moments(mean, square, n_tails[i])
    return found


def _moments(survival: Floats, t: Floats, share: Floats, length: Floats) -> tuple[list[float], list[float]]:
    """Means of log(value/xmin) and of its square beyond xmin, from shares (k, 48) of laws beyond xmin exp(t); share:
    (k, 1) beyond xmin."""
    parts = survival / share * _WEIGHTS * length / 2
    return parts.sum(axis=1).tolist(), (2 * (parts * t).sum(axis=1)).tolist()


def _of_moments(mean: float, square: float, n_tail: int) -> TailPrediction:
    spread = math.sqrt(max(square - mean**2, 0.0) / (n_tail - 1)) / mean
    return TailPrediction(1 + n_tail / (n_tail - 1) / mean, spread)
