"""From the likeliest kappa and scale of many HTMP fits to their results: errors, distances, p-values, words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from htmu_diag.fits.htmp_asked import FAMILY, Orientation
from htmu_diag.fits.htmp_lanes import Lane
from htmu_diag.fits.htmp_maxima import Maximum, maxima
from htmu_diag.fits.htmp_p import repulsions_near_noise, tabulated_ps
from htmu_diag.fits.htmp_placed import placed
from htmu_diag.fits.htmp_problem import Problem, status_of
from htmu_diag.fits.intervals import Z95, log_interval
from htmu_diag.fits.law_reading import Place
from htmu_diag.fits.near_noise import settled_near_noise
from htmu_diag.fits.repulsion import of_the_matrix, spread_factors
from htmu_diag.fits.results import UNKNOWN, LawFit, Status
from htmu_diag.laws import HTMP, InverseHTMP
from htmu_diag.spectrum import Floats

__all__ = ["fits_of"]

_LARGEST_LOG = 700.0


@dataclass(frozen=True)
class _Unit:
    """A problem as a lane. data: (n,) ascending, the values or their reciprocals; unit: their mean."""

    problem: Problem
    orientation: Orientation
    data: Floats
    unit: float

    @property
    def inverse(self) -> bool:
        return self.orientation == "inverse"

    @classmethod
    def of(cls, problem: Problem, orientation: Orientation) -> _Unit | None:
        """None where the numbers are beyond what can be fitted."""
        inverse = orientation == "inverse"
        data, masses = (1 / problem.values[::-1], problem.masses[::-1]) if inverse else (problem.values, problem.masses)
        if not np.isfinite(data[-1] * data.size) or not data[0] / data[-1] > 0:
            return None
        return cls(problem, orientation, data, float(data @ masses / masses.sum()))

    def lane(self) -> Lane:
        problem = self.problem
        masses = None if problem.alike else problem.masses[::-1] if self.inverse else problem.masses
        cut = None
        if problem.cut is not None and problem.cut < math.inf:
            cut = math.log((1 / problem.cut if self.inverse else problem.cut) / self.unit)
        return Lane(problem.gamma, np.log(self.data / self.unit), masses, problem.unseen, self.inverse, cut)


def fits_of(given: Sequence[tuple[Problem, Orientation]]) -> list[LawFit]:
    """One of each problem, in its orientation."""
    units = [_Unit.of(*one) for one in given]
    made = [_beyond(*one) for one in given]
    order = sorted((k for k, unit in enumerate(units) if unit), key=lambda k: given[k][0].gamma)
    fitted = [unit for unit in (units[k] for k in order) if unit]
    for k, fit in zip(order, _results(fitted) if fitted else [], strict=True):
        made[k] = fit
    return made


def _beyond(problem: Problem, orientation: Orientation) -> LawFit:
    message = "values spread over more than 300 orders of magnitude; drop the smallest (numerical zeros)"
    return LawFit(FAMILY[orientation], None, {}, n=problem.n, status=Status("bad_values", message))


def _results(units: Sequence[_Unit]) -> list[LawFit]:
    """Those of one aspect ratio behind one another."""
    lanes = [unit.lane() for unit in units]
    found = maxima(lanes, [unit.problem.top_k for unit in units])
    where = placed(lanes, [one.peak.row for one in found], np.array([one.peak.v for one in found]))
    ks, ad = where.ks.tolist(), where.ad.tolist()
    kappas = [math.exp(one.peak.u) for one in found]
    problems = [unit.problem for unit in units]
    repulsions = repulsions_near_noise(problems, [unit.inverse for unit in units], kappas)
    ps = tabulated_ps(problems, ks, kappas, repulsions)
    made = []
    for k, unit in enumerate(units):
        fit = _result(unit, lanes[k], found[k], kappas[k], (ks[k], ad[k], ps[k], where.misses[k]))
        repulsion = repulsions[k]
        if repulsion is not None and fit.law is not None:
            fit = settled_near_noise(fit, unit.problem, repulsion)
        made.append(fit)
    return made


def _result(
    unit: _Unit, lane: Lane, found: Maximum, kappa: float, distances: tuple[float, float, float, Place]
) -> LawFit:
    problem, peak, inverse = unit.problem, found.peak, unit.inverse
    n, log_unit = problem.total, math.log(unit.unit)
    log_scale = -log_unit - peak.v if inverse else log_unit + peak.v
    if not abs(log_scale) < _LARGEST_LOG:
        message = "the likeliest scale is beyond every float; check dimension and weights"
        return LawFit(FAMILY[unit.orientation], None, {}, n=problem.n, status=Status("not_converged", message))
    scale = math.exp(log_scale)
    low, high = (of_the_matrix(math.exp(u), n) if u < math.inf else u for u in found.interval)
    factors = (1.0, 1.0) if problem.top_k else spread_factors(problem.gamma, of_the_matrix(kappa, n), n)
    v_stderr = peak.v_stderr * factors[1]
    slope = (1 - problem.gamma) / (2 * problem.gamma)
    ks, ad, p, misses = distances
    exact = not problem.weighted and not problem.unseen and problem.cut is None
    log_values = float(lane.t.sum() if lane.masses is None else lane.t @ lane.masses)
    return LawFit(
        FAMILY[unit.orientation],
        (InverseHTMP if inverse else HTMP).from_row(problem.gamma, kappa, scale, peak.row),
        {"kappa": kappa, "scale": scale},
        {
            "kappa": math.inf if peak.edge else max(kappa * peak.u_stderr * factors[0], (kappa - low) / Z95),
            "scale": scale * v_stderr,
        },
        {"kappa": (low, high), "scale": log_interval(scale, v_stderr)},
        tail_exponent=1 + kappa * slope if inverse else math.nan,
        tail_exponent_interval=(1 + low * slope, 1 + high * slope) if inverse else UNKNOWN,
        n=problem.n,
        ks_distance=ks,
        ad_distance=ad if exact else math.nan,
        p_value=p,
        misses=misses,
        log_likelihood=peak.log_likelihood - _units(lane.known * log_unit, log_values, inverse=inverse),
        status=status_of(problem, peak),
    )


def _units(log_units: float, log_values: float, *, inverse: bool) -> float:
    """Log of the density of the fitted numbers over that of the values, summed; log_units: of all values."""
    return -log_units - 2.0 * log_values if inverse else log_units
