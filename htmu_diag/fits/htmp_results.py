"""From the likeliest kappa and scale of many HTMP fits to their results: errors, distances, p-values, words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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
class _Numbers:
    """t: (n,) ascending logarithms of the values, or of their reciprocals, in units of their mean; masses: (n,), None
    for ones."""

    t: Floats
    masses: Floats | None
    unit: float

    @classmethod
    def of(cls, problem: Problem, *, inverse: bool) -> _Numbers | None:
        """None where the numbers are beyond what can be fitted."""
        data, masses = (1 / problem.values[::-1], problem.masses[::-1]) if inverse else (problem.values, problem.masses)
        low, high = data.item(0), data.item(-1)
        if not math.isfinite(high * data.size) or not low / high > 0:
            return None
        unit = float(data @ masses) / problem.known
        return cls(np.log(data / unit), None if problem.alike else masses, unit)


class _Unit(NamedTuple):
    """A problem in one orientation, as a lane."""

    problem: Problem
    orientation: Orientation
    numbers: _Numbers

    @property
    def inverse(self) -> bool:
        return self.orientation == "inverse"

    def lane(self) -> Lane:
        problem, (inverse, numbers), cut = self.problem, (self.inverse, self.numbers), None
        if problem.cut is not None and problem.cut < math.inf:
            cut = math.log((1 / problem.cut if inverse else problem.cut) / numbers.unit)
        return Lane(problem.gamma, numbers.t, numbers.masses, problem.unseen, inverse, cut)


def fits_of(given: Sequence[tuple[Problem, Orientation]]) -> list[LawFit]:
    """One of each problem, in its orientation."""
    units = _units(given)
    order = sorted((k for k, unit in enumerate(units) if unit), key=lambda k: given[k][0].gamma)
    fitted = [unit for unit in (units[k] for k in order) if unit]
    made = dict(zip(order, _results(fitted) if fitted else [], strict=True))
    return [made[k] if k in made else _beyond(*one) for k, one in enumerate(given)]


def _units(given: Sequence[tuple[Problem, Orientation]]) -> list[_Unit | None]:
    """What several problems share is made once."""
    known: dict[tuple[int, int, Orientation], _Numbers | None] = {}
    found = []
    for problem, orientation in given:
        key = id(problem.values), id(problem.masses), orientation
        if key not in known:
            known[key] = _Numbers.of(problem, inverse=orientation == "inverse")
        numbers = known[key]
        found.append(None if numbers is None else _Unit(problem, orientation, numbers))
    return found


def _beyond(problem: Problem, orientation: Orientation) -> LawFit:
    message = "values spread over more than 300 orders of magnitude; drop the smallest (numerical zeros)"
    return LawFit(FAMILY[orientation], None, {}, n=problem.n, status=Status("bad_values", message))


def _results(units: Sequence[_Unit]) -> list[LawFit]:
    """Those of one aspect ratio behind one another."""
    lanes, problems = [unit.lane() for unit in units], [unit.problem for unit in units]
    found = maxima(lanes, [problem.top_k for problem in problems])
    where = placed(lanes, [one.peak.row for one in found], np.array([one.peak.v for one in found]))
    ks = where.ks.tolist()
    kappas = [math.exp(one.peak.u) for one in found]
    repulsions = repulsions_near_noise(problems, [unit.inverse for unit in units], kappas)
    ps = tabulated_ps(problems, ks, kappas, repulsions)
    distances = zip(ks, where.ad.tolist(), ps, where.misses, strict=True)
    each = zip(units, lanes, found, kappas, distances, strict=True)
    fits = [_result(*one) for one in each]
    return [
        fit if repulsion is None or fit.law is None else settled_near_noise(fit, problem, repulsion)
        for fit, problem, repulsion in zip(fits, problems, repulsions, strict=True)
    ]


def _result(
    unit: _Unit, lane: Lane, found: Maximum, kappa: float, distances: tuple[float, float, float, Place]
) -> LawFit:
    problem, peak, inverse, family = unit.problem, found.peak, unit.inverse, FAMILY[unit.orientation]
    n, log_unit = problem.total, math.log(unit.numbers.unit)
    log_scale = -log_unit - peak.v if inverse else log_unit + peak.v
    if not abs(log_scale) < _LARGEST_LOG:
        message = "the likeliest scale is beyond every float; check dimension and weights"
        return LawFit(family, None, {}, n=problem.n, status=Status("not_converged", message))
    scale = math.exp(log_scale)
    low, high = (of_the_matrix(math.exp(u), n) if u < math.inf else u for u in found.interval)
    factors = (1.0, 1.0) if problem.top_k else spread_factors(problem.gamma, of_the_matrix(kappa, n), n)
    v_stderr = peak.v_stderr * factors[1]
    stderr = math.inf if peak.edge else max(kappa * peak.u_stderr * factors[0], (kappa - low) / Z95)
    slope = (1 - problem.gamma) / (2 * problem.gamma)
    ks, ad, p, misses = distances
    exact = not problem.weighted and not problem.unseen and problem.cut is None
    log_units = lane.known * log_unit
    return LawFit(
        family,
        (InverseHTMP if inverse else HTMP).from_row(problem.gamma, kappa, scale, peak.row),
        {"kappa": kappa, "scale": scale},
        {"kappa": stderr, "scale": scale * v_stderr},
        {"kappa": (low, high), "scale": log_interval(scale, v_stderr)},
        tail_exponent=1 + kappa * slope if inverse else math.nan,
        tail_exponent_interval=(1 + low * slope, 1 + high * slope) if inverse else UNKNOWN,
        n=problem.n,
        ks_distance=ks,
        ad_distance=ad if exact else math.nan,
        p_value=p,
        misses=misses,
        # of the density of the values
        log_likelihood=peak.log_likelihood + (log_units + 2.0 * lane.log_values if inverse else -log_units),
        status=status_of(problem, peak),
    )
