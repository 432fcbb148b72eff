"""The likeliest kappa and scale of many HTMP lanes, their errors, intervals and laws.

Lanes that the search of many (``htmp_search``, ``htmp_peaks``, ``htmp_ends``) leaves open, one in twenty, are searched
by `Likelihood`, alone: a second maximum at large kappa, most of the eigenvalues unseen, the ends of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from htmu_diag.fits.htmp_ends import ends
from htmu_diag.fits.htmp_lanes import Lane, Lanes
from htmu_diag.fits.htmp_likelihood import HIGHEST, LOWEST, Likelihood, Peak
from htmu_diag.fits.htmp_peaks import Peaks, peaks
from htmu_diag.fits.htmp_search import located, profiled
from htmu_diag.fits.intervals import Z95
from htmu_diag.fits.repulsion import log_kappa_factors, of_the_matrix, skewness, skewnesses, spread_factors
from htmu_diag.fits.results import Interval
from htmu_diag.laws.htmp_lattice import POINTS, STEP, Indices, Row, grid_row, lattice
from htmu_diag.laws.htmp_windows import STARTS, WIDTH
from htmu_diag.spectrum import Floats

__all__ = ["Maximum", "maxima"]

_GRID = STEP * np.arange(LOWEST, HIGHEST + 1)
_HIGHER, _MOST = 1.0, math.log(8)  # of log kappa where the search begins


@dataclass(frozen=True)
class Maximum:
    """peak: of the likelihood. interval: 95 % of log kappa."""

    peak: Peak
    interval: Interval


def maxima(given: Sequence[Lane], independent: Sequence[bool]) -> list[Maximum]:
    """Of each lane, in units of its mean; independent: whether standard errors are those of independent values."""
    order = sorted(range(len(given)), key=lambda k: given[k].gamma)
    found = _of_sorted([given[k] for k in order], [independent[k] for k in order])
    places = {k: place for place, k in enumerate(order)}
    return [found[places[k]] for k in range(len(given))]


def _of_sorted(given: Sequence[Lane], independent: Sequence[bool]) -> list[Maximum]:
    lanes = Lanes(given)
    starts = np.array([_start(lane) for lane in given])
    totals = np.array([lane.known + lane.unseen for lane in given])
    gammas, alone = np.array([lane.gamma for lane in given]), np.array(independent)

    def levels(which: Indices, u: Floats) -> Floats:
        kappas, n = np.exp(u), totals[which]
        kappas /= 1 + 0.5 * kappas / n[:, None]  # `of_the_matrix`
        factors = np.where(alone[which, None], 1.0, log_kappa_factors(gammas[which], kappas, n))
        return Z95 * np.stack([factors * skewnesses(kappas, n), factors])

    rows = np.minimum(np.maximum(np.rint((np.minimum(starts + _HIGHER, _MOST)) / STEP), LOWEST), HIGHEST)
    found, done = located(lanes, rows.astype(np.intp)), dict[int, Maximum]()
    if found.lanes.size:
        on_grid = levels(np.arange(len(given)), _GRID + np.zeros((len(given), 1)))
        places = STARTS[found.numbers][:, None] + np.arange(WIDTH) - LOWEST
        found, known = profiled(lanes, found, on_grid[:, found.lanes[:, None], places])
        tops = peaks(lanes, found, known)
        bounds, settled = ends(lanes, found, known, tops, levels(found.lanes, tops.u[:, None])[:, :, 0], on_grid)
        for k in np.flatnonzero(settled).tolist():
            one = int(found.lanes[k])
            done[one] = Maximum(_peak(given[one], tops, k), (float(bounds[0, k]), float(bounds[1, k])))
    return [done[k] if k in done else _alone(lane, starts[k], independent[k]) for k, lane in enumerate(given)]


def _peak(lane: Lane, found: Peaks, k: int) -> Peak:
    six = _six(lane.gamma, int(STARTS[found.numbers[k]]) + int(found.first[k]))
    row = Row(lattice(lane.gamma), np.dot(found.shares[k], six).reshape(5, -1))
    u, v, height = float(found.u[k]), float(found.v[k]), float(found.heights[k])
    errors = float(found.u_stderr[k]), float(found.v_stderr[k])
    return Peak(u, v, *errors, height, bool(found.edge[k]), settled=True, row=row)


@lru_cache(maxsize=64)  # 150 kB; the laws of a ratio are alike
def _six(gamma: float, first: int) -> Floats:
    """(6, 5 m): rows of the grid from this place on."""
    return np.stack([grid_row(gamma, first + i).data.ravel() for i in range(POINTS)])


def _start(lane: Lane) -> float:
    """log kappa from the variance, gamma (1 + 2/kappa) in units of the squared mean; what is unseen counts as zero.

    That errs towards a small kappa, 8 at most, from where the search climbs safely: at a large one the likelihood is a
    spike, or nearly flat with a second, lower maximum at the end of the grid.
    """
    values, total = np.exp(lane.t), lane.known + lane.unseen
    mean, square = (
        float(each.sum() if lane.masses is None else each @ lane.masses) / total for each in (values, values**2)
    )
    return math.log(2 * lane.gamma / max(square / mean**2 - 1 - lane.gamma, 0.25 * lane.gamma))


def _alone(lane: Lane, start: float, independent: bool) -> Maximum:
    masses = np.ones(lane.t.size) if lane.masses is None else lane.masses
    cut = None if lane.cut is None else math.exp(lane.cut)
    likelihood = Likelihood(np.exp(lane.t), masses, lane.gamma, lane.unseen, lane.inverse, cut)
    n = lane.known + lane.unseen

    def above(u: float) -> float:
        return 1.0 if independent else spread_factors(lane.gamma, of_the_matrix(math.exp(u), n), n)[0]

    def below(u: float) -> float:
        return above(u) * skewness(of_the_matrix(math.exp(u), n), n)

    peak = likelihood.maximise(start)
    return Maximum(peak, likelihood.interval(peak, below, above))
