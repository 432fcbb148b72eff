"""`fit_htmp`: the high-temperature Marchenko-Pastur law by maximum likelihood in (kappa, scale).

Standard errors come from the curvature of the likelihood, which takes the values for independent, times the factor that
their repulsion makes of it in a whole spectrum (``repulsion``); a top-k spectrum does without the factor. The interval
of kappa is normal in log kappa where it is narrow, else where the profile likelihood has fallen far enough: noise has a
lower bound of kappa and no upper one.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import GENERATOR, RATIO, checked, either, one_of, optional, real, whole
from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import Sample, as_values, checked_masses, checked_sample
from htmu_diag.fits.distance import ad_of_levels, ks_of_levels
from htmu_diag.fits.floor import likeliest_floor
from htmu_diag.fits.htmp_likelihood import Likelihood, Peak
from htmu_diag.fits.htmp_p import repulsion_near_noise, tabulated_p
from htmu_diag.fits.htmp_problem import Problem, status_of
from htmu_diag.fits.intervals import Z95, log_interval
from htmu_diag.fits.law_reading import where_it_misses
from htmu_diag.fits.near_noise import settled_near_noise
from htmu_diag.fits.repulsion import of_the_matrix, skewness, spread_factors
from htmu_diag.fits.results import UNKNOWN, Interval, LawFit, Status
from htmu_diag.laws import HTMP, InverseHTMP
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.spectrum import Floats

__all__ = ["fit_htmp"]

Orientation = Literal["direct", "inverse"]
_FAMILY: dict[Orientation, str] = {"direct": "HTMP", "inverse": "InverseHTMP"}
_SEED = 20250603
_LARGEST_LOG = 700.0
_NOTHING = 1e-290  # such values count as zeros


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
    masses, array = checked_masses(values, weights), np.sort(as_values(values))
    spikes = 0
    if below is not None:
        kept = int(np.searchsorted(array, below, side="right"))
        spikes, masses, array = array.size - kept, masses[:kept], array[:kept]
    hidden = _unseen(dimension, masses)

    def fit_above(shift: float) -> tuple[Problem, LawFit]:
        sample = _without_rounding(array - shift, resolution)
        lost = masses.size - sample.values.size
        unseen = hidden + float(masses[:lost].sum())
        cut = None if below is None else below - shift
        problem = Problem(sample.values, masses[lost:], gamma, unseen, weights is not None, hidden > 0, cut, spikes)
        if sample.status.ok:
            return problem, _likelier(problem) if orientation == "auto" else _fit(problem, orientation)
        family = _FAMILY["inverse" if orientation == "inverse" else "direct"]
        return problem, LawFit(family, None, {}, n=problem.n, status=sample.status)

    shift = (
        likeliest_floor(array, lambda tau: fit_above(tau)[1].log_likelihood) if floor == "fit" else float(floor or 0)
    )
    problem, fit = fit_above(shift)
    if bootstrap > 0 and fit.law is not None and not problem.weighted and problem.cut is None:
        fit = replace(fit, p_value=_p_value(problem, fit, bootstrap, rng or np.random.default_rng(_SEED)))
    return replace(fit, floor=shift) if shift else fit


def _without_rounding(array: Floats, resolution: float | None) -> Sample:
    """Leave out what an eigenvalue solver cannot tell from zero: those values count as unseen, below the others."""
    sample = checked_sample(np.where(np.abs(array) < _NOTHING, 0.0, array), positive=False)
    if not sample.status.ok:
        return sample
    share = sample.values.size * np.finfo(np.float64).eps if resolution is None else resolution
    zero = sample.values[-1] * share
    kept = sample.values[np.searchsorted(sample.values, zero, side="right") :]
    status = sample.status if kept.size == sample.values.size else checked_sample(kept).status
    if kept.size < sample.values.size / 4:
        message = (
            f"{sample.values.size - kept.size} of {sample.values.size} values are zero to rounding; look at the rank"
        )
        status = Status("degenerate", message)
    return Sample(kept, status)


def _unseen(dimension: int | None, masses: Floats) -> float:
    if dimension is None:
        return 0.0
    if dimension < masses.sum() - 1e-6 * dimension:
        raise InputError(f"dimension = {dimension} is less than the {masses.sum():g} values; pass the operator's own")
    return float(max(dimension - masses.sum(), 0.0))


def _likelier(problem: Problem) -> LawFit:
    fits = [_fit(problem, "direct"), _fit(problem, "inverse")]
    best = max(fits, key=lambda fit: -math.inf if math.isnan(fit.log_likelihood) else fit.log_likelihood)
    return replace(best, alternatives={fit.family: fit.log_likelihood for fit in fits})


def _fit(problem: Problem, orientation: Orientation) -> LawFit:
    inverse = orientation == "inverse"
    data, masses = (1 / problem.values[::-1], problem.masses[::-1]) if inverse else (problem.values, problem.masses)
    if not np.isfinite(data[-1] * data.size) or not data[0] / data[-1] > 0:
        message = "values spread over more than 300 orders of magnitude; drop the smallest (numerical zeros)"
        return LawFit(_FAMILY[orientation], None, {}, n=problem.n, status=Status("bad_values", message))
    unit = float(data @ masses / masses.sum())
    cut = None if problem.cut is None else (1 / problem.cut if inverse else problem.cut) / unit
    likelihood = Likelihood(data / unit, masses, problem.gamma, problem.unseen, inverse, cut)
    peak = likelihood.maximise(_start(data / unit, masses, problem))
    log_scale = -math.log(unit) - peak.v if inverse else math.log(unit) + peak.v
    if not abs(log_scale) < _LARGEST_LOG:
        message = "the likeliest scale is beyond every float; check dimension and weights"
        return LawFit(_FAMILY[orientation], None, {}, n=problem.n, status=Status("not_converged", message))

    n = problem.total

    def matrix(u: float) -> float:
        return of_the_matrix(math.exp(u), n)

    def factors(u: float) -> tuple[float, float]:
        return (1.0, 1.0) if problem.top_k else spread_factors(problem.gamma, matrix(u), n)

    low, high = likelihood.interval(peak, lambda u: factors(u)[0] * skewness(matrix(u), n), lambda u: factors(u)[0])
    interval = matrix(low), matrix(high) if high < math.inf else math.inf
    found = _result(problem, orientation, peak, log_scale, interval, factors(peak.u))
    repulsion = repulsion_near_noise(problem, data, found.kappa)
    p = tabulated_p(problem, found.ks_distance, found.kappa, repulsion)
    found = replace(found, log_likelihood=peak.log_likelihood - _units(problem, unit, inverse), p_value=p)
    return found if repulsion is None else settled_near_noise(found, problem, repulsion)


def _units(problem: Problem, unit: float, inverse: bool) -> float:
    """Log of the density of the fitted numbers over that of the values, summed."""
    reciprocals = 2.0 * float(np.log(problem.values) @ problem.masses) if inverse else 0.0
    return float(problem.masses.sum()) * math.log(unit) + reciprocals


def _start(data: Floats, masses: Floats, problem: Problem) -> float:
    """log kappa from the variance, gamma (1 + 2/kappa) in units of the squared mean; what is unseen counts as zero.

    That errs towards a small kappa, 8 at most, from where the search climbs safely: at a large one the likelihood is a
    spike, or nearly flat with a second, lower maximum at the end of the grid.
    """
    gamma, total = problem.gamma, masses.sum() + problem.unseen
    mean, square = float(data @ masses / total), float(data**2 @ masses / total)
    return math.log(2 * gamma / max(square / mean**2 - 1 - gamma, 0.25 * gamma))


def _result(
    problem: Problem,
    orientation: Orientation,
    peak: Peak,
    log_scale: float,
    kappa_interval: Interval,
    factors: tuple[float, float],
) -> LawFit:
    kappa, scale = math.exp(peak.u), math.exp(log_scale)
    low, high = kappa_interval
    law = (HTMP if orientation == "direct" else InverseHTMP).from_row(problem.gamma, kappa, scale, peak.row)
    kappa_stderr = math.inf if peak.edge else max(kappa * peak.u_stderr * factors[0], (kappa - low) / Z95)
    v_stderr = peak.v_stderr * factors[1]
    intervals = {"kappa": kappa_interval, "scale": log_interval(scale, v_stderr)}
    inverse = orientation == "inverse"
    slope = (1 - problem.gamma) / (2 * problem.gamma)
    exact = not problem.weighted and not problem.unseen and problem.cut is None
    below, above = law.log_tails(problem.values)
    levels = np.exp(below - (0.0 if problem.cut is None else float(law.logcdf(problem.cut))))
    return LawFit(
        _FAMILY[orientation],
        law,
        {"kappa": kappa, "scale": scale},
        {"kappa": kappa_stderr, "scale": scale * v_stderr},
        intervals,
        tail_exponent=1 + kappa * slope if inverse else math.nan,
        tail_exponent_interval=(1 + low * slope, 1 + high * slope) if inverse else UNKNOWN,
        n=problem.n,
        ks_distance=ks_of_levels(levels, problem.masses, problem.unseen),
        ad_distance=ad_of_levels(below, above) if exact else math.nan,
        status=status_of(problem, peak),
        misses=where_it_misses(levels, problem.masses, problem.unseen),
    )


def _p_value(problem: Problem, fit: LawFit, draws: int, rng: np.random.Generator) -> float:
    """Share of spectra of the fitted matrix model, the same number unseen, that lie further from their own fits."""
    orientation: Orientation = "inverse" if fit.family == "InverseHTMP" else "direct"
    worse = 0
    for _ in range(draws):
        size = problem.n + round(problem.unseen)
        drawn = beta_laguerre(size, problem.gamma, min(fit.kappa, size), rng=rng)
        drawn = np.maximum(drawn, np.finfo(np.float64).tiny)
        seen = (1 / drawn[::-1] if orientation == "inverse" else drawn)[-problem.n :]
        worse += _fit(replace(problem, values=seen), orientation).ks_distance >= fit.ks_distance
    return (1 + worse) / (1 + draws)
