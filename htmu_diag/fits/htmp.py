"""`fit_htmp`: the high-temperature Marchenko-Pastur law by maximum likelihood in (kappa, scale); `fit_htmps`: of many.

Standard errors come from the curvature of the likelihood, which takes the values for independent, times the factor that
their repulsion makes of it in a whole spectrum (``repulsion``); a top-k spectrum does without the factor. The interval
of kappa is normal in log kappa where it is narrow, else where the profile likelihood has fallen far enough: noise has a
lower bound of kappa and no upper one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import GENERATOR, RATIO, checked, either, one_of, optional, real, whole
from htmu_diag.fits.floor import likeliest_floor
from htmu_diag.fits.htmp_asked import FAMILY, Asked, Given, Orientation, given_values, problems_of
from htmu_diag.fits.htmp_problem import Problem
from htmu_diag.fits.htmp_results import fits_of
from htmu_diag.fits.results import LawFit, Status
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.spectrum import Floats

__all__ = ["Asked", "fit_htmp", "fit_htmps"]

_SEED = 20250603


@checked(
    gamma=RATIO,
    orientation=one_of("direct", "inverse", "auto"),
    floor=optional(either(real(), one_of("fit"))),
    dimension=optional(whole(1)),
    resolution=optional(real(0, 1)),
    below=optional(real(0, above=True, infinite=True)),
    bootstrap=whole(0, 10**6),
    rng=optional(GENERATOR),
)
def fit_htmp(
    values: npt.ArrayLike,
    gamma: float,
    *,
    orientation: Literal["direct", "inverse", "auto"] = "direct",
    floor: float | Literal["fit"] | None = None,
    weights: npt.ArrayLike | None = None,
    dimension: int | None = None,
    resolution: float | None = None,
    below: float | None = None,
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> LawFit:
    """Fit HTMP ("direct": weight matrices) or inverse HTMP ("inverse": kernels) to positive values (n,).

    gamma: smaller side of the matrix over the larger, in (0, 1]. "auto" fits both and returns the likelier one, both
    log likelihoods in ``alternatives``. floor: a shift tau (jitter, weight decay), subtracted first; "fit" searches
    for the likeliest. weights: (n,) masses of a quadrature rule, in eigenvalues: a weighted likelihood. dimension:
    eigenvalues in all where only the largest are given: a censored likelihood. resolution: values below this share of
    the largest are rounding and count as unseen too; by default n times the spacing of float64, which is what an
    eigenvalue solver leaves; 0 for values known to relative accuracy. below: only the values up to here are fitted, by
    the likelihood truncated there: the bulk beside spikes. bootstrap: spectra of the fitted law's matrix model behind
    the p-value of the KS distance, drawn by rng (a fixed seed by default); by default it comes from a table of the same
    simulation. Weights and top-k spectra have none; what ``below`` cuts off is taken for spikes.
    """
    (given,) = given_values([Asked(values, gamma, orientation, floor, weights, dimension, resolution, below)])
    shift = _shift(given)
    problem, fit = _fitted([(given, shift)])[0]
    if bootstrap > 0 and fit.law is not None and not problem.weighted and problem.cut is None:
        fit = replace(fit, p_value=_p_value(problem, fit, bootstrap, rng or np.random.default_rng(_SEED)))
    return fit


def fit_htmps(asked: Sequence[Asked]) -> list[LawFit]:
    """What `fit_htmp` gives for each, in their order, to the last bit; a fraction of the time where they are many."""
    return [fit for _, fit in _fitted([(given, _shift(given)) for given in given_values(asked)])]


def _shift(given: Given) -> float:
    floor = given.asked.floor
    if floor == "fit":
        return likeliest_floor(given.values, lambda tau: _fitted([(given, tau)])[0][1].log_likelihood)
    return float(floor or 0)


def _fitted(shifted: Sequence[tuple[Given, float]]) -> list[tuple[Problem, LawFit]]:
    """All fits that are asked for, above their floors."""
    problems = problems_of(shifted)
    lanes: list[tuple[Problem, Orientation]] = []
    for (given, _), (problem, status) in zip(shifted, problems, strict=True):
        asked = given.asked.orientation
        lanes += [(problem, each) for each in _both(asked)] if status.ok else []
    fits = iter(fits_of(lanes))
    found = []
    for (given, shift), (problem, status) in zip(shifted, problems, strict=True):
        asked = given.asked.orientation
        fit = _likelier([next(fits) for _ in _both(asked)]) if status.ok else _failed(problem, asked, status)
        found.append((problem, replace(fit, floor=shift) if shift else fit))
    return found


def _both(orientation: Literal["direct", "inverse", "auto"]) -> list[Orientation]:
    return ["direct", "inverse"] if orientation == "auto" else [orientation]


def _failed(problem: Problem, orientation: str, status: Status) -> LawFit:
    return LawFit(FAMILY[orientation], None, {}, n=problem.n, status=status)


def _likelier(fits: list[LawFit]) -> LawFit:
    if len(fits) == 1:
        return fits[0]
    best = max(fits, key=lambda fit: -math.inf if math.isnan(fit.log_likelihood) else fit.log_likelihood)
    return replace(best, alternatives={fit.family: fit.log_likelihood for fit in fits})


def _p_value(problem: Problem, fit: LawFit, draws: int, rng: np.random.Generator) -> float:
    """Share of spectra of the fitted matrix model, the same number unseen, that lie further from their own fits."""
    orientation: Orientation = "inverse" if fit.family == "InverseHTMP" else "direct"
    size = problem.n + round(problem.unseen)

    def drawn() -> Floats:
        values = np.maximum(
            beta_laguerre(size, problem.gamma, min(fit.kappa, size), rng=rng), np.finfo(np.float64).tiny
        )
        return np.asarray((1 / values[::-1] if orientation == "inverse" else values)[-problem.n :])

    fits = fits_of([(replace(problem, values=drawn()), orientation) for _ in range(draws)])
    return (1 + sum(one.ks_distance >= fit.ks_distance for one in fits)) / (1 + draws)
