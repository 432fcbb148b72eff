"""The p-value of an HTMP fit whose kappa is known from the same spectrum only.

The null law of the KS distance depends on kappa (``htmp_null``). Where kappa is far below the number of eigenvalues it
is known well enough, and its bias by their finite number is known too (``repulsion``). Near that number, where a fit
hardly tells one kappa from another and the null laws differ, the p-value is a mean over kappa, by the likelihood, which
is corrected for repulsion and for the bias, and by the gaps between neighbours, which tell them apart there.
"""

from __future__ import annotations

import math

import numpy as np

from htmu_diag.fits.gaps import gap_ratio, gap_ratio_at
from htmu_diag.fits.htmp_likelihood import Likelihood
from htmu_diag.fits.htmp_null import htmp_p_value, htmp_p_values
from htmu_diag.fits.htmp_problem import Problem
from htmu_diag.fits.repulsion import matrix_kappa, of_the_matrix, spread_factors
from htmu_diag.spectrum import Floats

__all__ = ["tabulated_p"]

_FEWEST = 20  # eigenvalues, below which the table ends
_FAR = 1 / 20  # kappa over their number from which on one kappa stands for all
_GAP_SPREAD = 0.2  # of the mean gap ratio times sqrt n, at full repulsion
_BEYOND = 1.5  # weight of kappa = N, the Wishart ensemble, for all that lies beyond what a fit can tell from it


def tabulated_p(problem: Problem, likelihood: Likelihood, distance: float, kappa: float) -> float:
    """Share of spectra of the law's matrix model that lie at least this KS distance from their own fits."""
    n, gamma = problem.total, problem.gamma
    found = matrix_kappa(kappa, n)
    if n < _FEWEST or found < _FAR * n:
        return htmp_p_value(distance, n, gamma, found)
    gaps = gap_ratio(problem.values)
    error = max(gaps.stderr, _GAP_SPREAD / math.sqrt(gaps.n))
    kappas, weights = _possible(likelihood, n, gamma)
    expected = np.array([gap_ratio_at(near / n) for near in kappas.tolist()])
    weights = weights * np.exp(-(((gaps.mean - expected) / error) ** 2) / 2)
    total = float(weights.sum())
    if not total > 0:
        return htmp_p_value(distance, n, gamma, found)
    return float(weights @ htmp_p_values(distance, n, gamma, kappas)) / total


def _possible(likelihood: Likelihood, n: float, gamma: float) -> tuple[Floats, Floats]:
    """kappa of the matrix model to 4n/3, with weights: equal in log kappa, by the likelihood of what it looks like."""
    limits, heights = likelihood.near_noise(n)
    kappas = np.append(of_the_matrix(limits[:-1], n), n)
    factors = np.array([spread_factors(gamma, kappa, n)[0] for kappa in kappas.tolist()])
    weights = np.append(kappas[:-1] / limits[:-1], _BEYOND)
    return kappas, weights * np.exp((heights - heights.max()) / factors**2)
