"""The p-value of an HTMP fit whose kappa is known from the same spectrum only.

The null law of the KS distance depends on kappa (``htmp_null``). Where kappa is far below the number of eigenvalues the
fit knows it well enough, and the law given the fitted kappa is that of every kappa nearby. Near that number a fit
hardly tells one kappa from another. There the null law is that given the repulsion of the joint density, which is
sufficient for kappa (``joint_repulsion``): the p-value is then uniform whatever kappa is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from htmu_diag.fits.htmp_null import Null, htmp_p_values
from htmu_diag.fits.htmp_problem import Problem
from htmu_diag.fits.joint_repulsion import FEWEST, MOST, Logarithms
from htmu_diag.fits.repulsion import matrix_kappa
from htmu_diag.spectrum import Floats

__all__ = ["repulsions_near_noise", "tabulated_ps"]

_FAR = 1 / 20  # kappa over their number up to which the fit knows kappa


def repulsions_near_noise(
    problems: Sequence[Problem], inverse: Sequence[bool], kappas: Sequence[float]
) -> list[float | None]:
    """That of the joint density where a fitted kappa is not far below the number of eigenvalues, else None.

    inverse: whether the reciprocals are meant. What several fits of the same values need is computed once.
    """
    logarithms: dict[tuple[int, bool], Logarithms] = {}
    known: dict[tuple[int, bool, float, float], float] = {}
    found: list[float | None] = [None] * len(problems)
    for k, (problem, reciprocal) in enumerate(zip(problems, inverse, strict=True)):
        if _near_noise(problem, kappas[k]):
            key = id(problem.values), reciprocal
            asked = (*key, problem.matrix_gamma, problem.unseen)
            if asked not in known:
                known[asked] = _logarithms(logarithms, problem.values, *key).repulsion(*asked[2:])
            found[k] = known[asked]
    return found


def _near_noise(problem: Problem, kappa: float) -> bool:
    n = problem.total
    return problem.tested and FEWEST <= n <= MOST and matrix_kappa(kappa, n) >= _FAR * n


def _logarithms(known: dict[tuple[int, bool], Logarithms], values: Floats, which: int, reciprocal: bool) -> Logarithms:
    if (which, reciprocal) not in known:
        known[which, reciprocal] = (
            _logarithms(known, values, which, False).reciprocal() if reciprocal else Logarithms.of(values)
        )
    return known[which, reciprocal]


def tabulated_ps(
    problems: Sequence[Problem], distances: Sequence[float], kappas: Sequence[float], repulsions: Sequence[float | None]
) -> list[float]:
    """Share of spectra of each law's matrix model that lie at least this KS distance from their own fits; NaN where
    there is no null law."""
    tested = [k for k, problem in enumerate(problems) if problem.tested]
    asked = [_asked(problems[k], distances[k], kappas[k], repulsions[k]) for k in tested]
    found = dict(zip(tested, htmp_p_values(asked), strict=True))
    return [found.get(k, math.nan) for k in range(len(problems))]


def _asked(problem: Problem, distance: float, kappa: float, repulsion: float | None) -> Null:
    if repulsion is None:
        return Null("ks", distance, problem.total, problem.gamma, matrix_kappa(kappa, problem.total))
    return Null("ks_joint", distance, problem.total, problem.gamma, repulsion * problem.total)
