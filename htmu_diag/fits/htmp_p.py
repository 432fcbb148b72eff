"""The p-value of an HTMP fit whose kappa is known from the same spectrum only.

The null law of the KS distance depends on kappa (``htmp_null``). Where kappa is far below the number of eigenvalues the
fit knows it well enough, and the law given the fitted kappa is that of every kappa nearby. Near that number a fit
hardly tells one kappa from another. There the null law is that given the repulsion of the joint density, which is
sufficient for kappa (``joint_repulsion``): the p-value is then uniform whatever kappa is.
"""

from __future__ import annotations

import math

from htmu_diag.fits.htmp_null import htmp_p_value, htmp_p_value_given_repulsion
from htmu_diag.fits.htmp_problem import Problem
from htmu_diag.fits.joint_repulsion import FEWEST, MOST, joint_repulsion
from htmu_diag.fits.repulsion import matrix_kappa
from htmu_diag.spectrum import Floats

__all__ = ["repulsion_near_noise", "tabulated_p"]

_FAR = 1 / 20  # kappa over their number up to which the fit knows kappa


def repulsion_near_noise(problem: Problem, data: Floats, kappa: float) -> float | None:
    """That of the joint density where a fitted kappa is not far below the number of eigenvalues, else None.

    data: (n,) ascending, the values or, for the inverse law, their reciprocals, in any unit.
    """
    n = problem.total
    if not problem.tested or not FEWEST <= n <= MOST or matrix_kappa(kappa, n) < _FAR * n:
        return None
    return joint_repulsion(data, problem.matrix_gamma, problem.unseen)


def tabulated_p(problem: Problem, distance: float, kappa: float, repulsion: float | None) -> float:
    """Share of spectra of the law's matrix model that lie at least this KS distance from their own fits."""
    if not problem.tested:
        return math.nan
    if repulsion is None:
        return htmp_p_value(distance, problem.total, problem.gamma, matrix_kappa(kappa, problem.total))
    return htmp_p_value_given_repulsion(distance, problem.total, problem.gamma, repulsion)
