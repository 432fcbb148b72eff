"""The p-value of an HTMP fit whose kappa is known from the same spectrum only.

The null law of the KS distance depends on kappa (``htmp_null``). Where kappa is far below the number of eigenvalues it
is known well enough, and its bias by their finite number is known too (``repulsion``). Near that number, where a fit
hardly tells one kappa from another and the null laws differ, the p-value is a mean over kappa, by the likelihood, which
is corrected for repulsion and for the bias, and by the gaps between neighbours, which tell them apart there.
"""

from __future__ import annotations

import math

from htmu_diag.fits.gaps import gap_ratio, gap_ratio_at
from htmu_diag.fits.htmp_likelihood import Likelihood
from htmu_diag.fits.htmp_null import htmp_p_value
from htmu_diag.fits.htmp_problem import Problem
from htmu_diag.fits.repulsion import matrix_kappa, of_the_matrix, spread_factors

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
    total = mean = 0.0
    for near, weight in _possible(likelihood, n, gamma):
        weight *= math.exp(-(((gaps.mean - gap_ratio_at(near / n)) / error) ** 2) / 2)
        total, mean = total + weight, mean + weight * htmp_p_value(distance, n, gamma, near)
    return mean / total if total > 0 else htmp_p_value(distance, n, gamma, found)


def _possible(likelihood: Likelihood, n: float, gamma: float) -> list[tuple[float, float]]:
    """kappa of the matrix model to 4n/3, with weights: equal in log kappa, by the likelihood of what it looks like."""
    *below, (_, last) = likelihood.near_noise(n)
    top = max(last, *(height for _, height in below))
    found = [(n, _BEYOND * math.exp((last - top) / spread_factors(gamma, n, n)[0] ** 2))]
    for limit, height in below:
        kappa = of_the_matrix(limit, n)
        found.append((kappa, kappa / limit * math.exp((height - top) / spread_factors(gamma, kappa, n)[0] ** 2)))
    return found
