"""From a law to the exponents that an estimator should see.

Inverse HTMP has a true power-law upper tail: its density is like x**-alpha, alpha = 1 + kappa (1 - gamma)/(2 gamma).
HTMP itself decays exponentially, so there is no exponent to predict; what can be compared with a measured alpha is the
number that the *same estimator* gives on the law's own quantiles. The same holds for Marchenko-Pastur noise.
"""

from __future__ import annotations

import math

import numpy as np

from htmu_diag.arguments import RATIO, checked, having, real, whole
from htmu_diag.errors import InputError
from htmu_diag.fits import fit_power_law
from htmu_diag.laws.base import Law

__all__ = [
    "eigenvalue_exponent",
    "estimated_exponent",
    "inverse_htmp_tail_exponent",
    "repulsion_for_tail_exponent",
]


@checked(kappa=real(0, infinite=True), gamma=RATIO)
def inverse_htmp_tail_exponent(kappa: float, gamma: float) -> float:
    """Density exponent alpha of the upper tail of inverse HTMP (Hodgkinson, Wang & Mahoney 2025).

    >>> inverse_htmp_tail_exponent(kappa=4.0, gamma=0.5)
    3.0
    """
    _check_ratio(gamma)
    return 1.0 + kappa * (1.0 - gamma) / (2.0 * gamma)


@checked(alpha=real(1, infinite=True), gamma=RATIO)
def repulsion_for_tail_exponent(alpha: float, gamma: float) -> float:
    """The kappa whose inverse HTMP law has tail exponent alpha; infinite for square matrices, whose tail stays at 1."""
    _check_ratio(gamma)
    return 2.0 * gamma * (alpha - 1.0) / (1.0 - gamma) if gamma < 1.0 else math.inf


@checked(singular_value_exponent=real(infinite=True))
def eigenvalue_exponent(singular_value_exponent: float) -> float:
    """Exponent of the density of lambda = sigma**2, given that of sigma: p(sigma) ~ sigma**-b is lambda**-((b + 1)/2).

    >>> eigenvalue_exponent(3.0)
    2.0
    """
    return (singular_value_exponent + 1.0) / 2.0


@checked(law=having("a law, such as HTMP(0.5, 2.0)", "ppf"), n=whole(1, 10**8))
def estimated_exponent(law: Law, n: int) -> float:
    """Alpha that `fit_power_law` gives on the n mid-point quantiles of a law; NaN where the fit has no answer.

    Comparable with a measured alpha of n eigenvalues, whether or not the law's tail is a power law.
    """
    quantiles = law.ppf((np.arange(n) + 0.5) / n)
    return fit_power_law(quantiles[quantiles > 0]).alpha


def _check_ratio(gamma: float) -> None:
    if not 0.0 < gamma <= 1.0:
        raise InputError(
            f"gamma = {gamma}: the aspect ratio is the smaller side over the larger; pass a value in (0, 1]"
        )
