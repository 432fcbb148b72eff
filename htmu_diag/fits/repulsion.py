"""What the repulsion of eigenvalues does to the standard errors of an HTMP fit.

Eigenvalues repel each other, so their sums fluctuate less than those of independent values, and the likelihood's
curvature overstates the errors. The trace shows it in closed form: it is a sum of independent Gamma variables, of
relative variance 2 gamma/(N kappa), where independent values of the law would give gamma (1 + 2/kappa)/N: a ratio of
2/(kappa + 2).

The tables hold the ratio of true to naive standard error, by simulation of the matrix model with 400 eigenvalues
(``benchmarks/repulsion_factors.py``, accurate to about 4 %); they hardly depend on the size as long as kappa is below
it. Between the entries: linear in gamma and log kappa; outside: the nearest entry.
"""

from __future__ import annotations

import numpy as np

__all__ = ["GAMMAS", "KAPPAS", "spread_factors"]

GAMMAS = (0.1, 0.25, 0.5, 0.75, 1.0)
KAPPAS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
# rows: gamma, columns: kappa
_LOG_KAPPA = (
    (0.946, 0.913, 0.978, 0.851, 0.880, 0.841, 0.929, 0.634),
    (0.969, 0.941, 0.925, 0.868, 0.827, 0.826, 0.854, 0.679),
    (0.773, 0.847, 0.808, 0.890, 0.826, 0.849, 0.897, 0.711),
    (0.712, 0.703, 0.719, 0.731, 0.810, 0.794, 0.865, 0.828),
    (0.757, 0.685, 0.601, 0.537, 0.507, 0.540, 0.598, 0.526),
)
_LOG_SCALE = (
    (1.038, 0.997, 0.838, 0.743, 0.623, 0.558, 0.520, 0.370),
    (1.031, 0.999, 0.828, 0.714, 0.636, 0.567, 0.556, 0.414),
    (0.961, 0.996, 0.787, 0.723, 0.588, 0.576, 0.548, 0.447),
    (1.018, 0.998, 0.824, 0.697, 0.685, 0.579, 0.528, 0.447),
    (0.991, 0.873, 0.844, 0.669, 0.542, 0.465, 0.401, 0.409),
)


def spread_factors(gamma: float, kappa: float) -> tuple[float, float]:
    """Factors on the standard errors of log kappa and log scale that the likelihood of independent values gives."""
    return _between(_LOG_KAPPA, gamma, kappa), _between(_LOG_SCALE, gamma, kappa)


def _between(table: tuple[tuple[float, ...], ...], gamma: float, kappa: float) -> float:
    by_gamma = [float(np.interp(np.log(kappa), np.log(KAPPAS), row)) for row in table]
    return float(np.interp(gamma, GAMMAS, by_gamma))
