"""The likeliest kappa and scale of many HTMP lanes, their errors, intervals and laws.

Lanes that the search of many (``htmp_search``, ``htmp_peaks``, ``htmp_ends``) leaves open, one in twenty, are searched
by `Likelihood`, alone: a second maximum at large kappa, most of the eigenvalues unseen, the ends of the grid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress

import numpy as np

from htmu_diag.fits.htmp_ends import ends
from htmu_diag.fits.htmp_lanes import Lane, Lanes
from htmu_diag.fits.htmp_likelihood import HIGHEST, LOWEST, Likelihood, Peak
from htmu_diag.fits.htmp_peaks import Peaks, peaks
from htmu_diag.fits.htmp_search import searched
from htmu_diag.fits.htmp_starts import starts
from htmu_diag.fits.intervals import Z95
from htmu_diag.fits.repulsion import log_kappa_factors, of_the_matrix, skewness, skewnesses, spread_factors
from htmu_diag.fits.results import Interval
from htmu_diag.laws.htmp_lattice import STEP, Mask
from htmu_diag.spectrum import Floats

__all__ = ["Maximum", "maxima"]

_GRID = STEP * np.arange(LOWEST, HIGHEST + 1)
_SAFE = math.log(8)  # of log kappa, where the search of one begins at most


@dataclass(frozen=True)
class Maximum:
    """peak: of the likelihood. interval: 95 % of log kappa."""

    peak: Peak
    interval: Interval


def maxima(given: Sequence[Lane], independent: Sequence[bool]) -> list[Maximum]:
    """Of each lane, in units of its mean, those of one aspect ratio behind one another; independent: whether standard
    errors are those of independent values."""
    lanes, rows = Lanes(given), starts(given)
    each = zip(given, independent, strict=True)
    on_grid = np.stack([_levels(lane.gamma, lane.known + lane.unseen, alone) for lane, alone in each], axis=1)
    found, known = searched(lanes, rows, on_grid)
    done, beyond = dict[int, Maximum](), np.full(len(given), np.nan)
    if found.lanes.size:
        tops = peaks(lanes, found, known)
        pairs = zip(found.lanes.tolist(), tops.u.tolist(), strict=True)
        at_peak = Z95 * np.array([_factors(given[k], independent[k], math.exp(u)) for k, u in pairs]).T
        bounds, settled, higher = ends(lanes, found, known, tops, at_peak, on_grid)
        which = found.lanes[settled].tolist()
        intervals = zip(*bounds[:, settled].tolist(), strict=True)
        done.update(zip(which, map(Maximum, _peaks(tops, settled), intervals), strict=True))
        beyond[found.lanes] = higher
    for k in sorted(set(range(len(given))) - done.keys()):
        begin = [u for u in (min(STEP * float(rows[k]), _SAFE), float(beyond[k])) if not math.isnan(u)]
        done[k] = _alone(given[k], begin, independent[k])
    return [done[k] for k in range(len(given))]


@lru_cache(maxsize=512)
def _levels(gamma: float, n: float, independent: bool) -> Floats:
    """(2, rows of the grid): the root of twice the fall of the profile at which an interval ends, below and above."""
    kappas, sizes = np.exp(_GRID[None]), np.array([n])
    kappas /= 1 + 0.5 * kappas / n  # `of_the_matrix`
    factors = np.ones(kappas.shape) if independent else log_kappa_factors(np.array([gamma]), kappas, sizes)
    return Z95 * np.concatenate([factors * skewnesses(kappas, sizes), factors])


def _peaks(found: Peaks, some: Mask) -> list[Peak]:
    """Of these lanes."""
    columns = (found.u, found.v, found.u_stderr, found.v_stderr, found.heights, found.edge)
    numbers = (each[some].tolist() for each in columns)
    rows = compress(found.rows, some)
    return [
        Peak(u, v, a, b, height, edge, True, row) for u, v, a, b, height, edge, row in zip(*numbers, rows, strict=True)
    ]


def _alone(lane: Lane, starts: list[float], independent: bool) -> Maximum:
    masses = np.ones(lane.t.size) if lane.masses is None else lane.masses
    cut = None if lane.cut is None else math.exp(lane.cut)
    likelihood = Likelihood(np.exp(lane.t), masses, lane.gamma, lane.unseen, lane.inverse, cut)

    def below(u: float) -> float:
        return _factors(lane, independent, math.exp(u))[0]

    def above(u: float) -> float:
        return _factors(lane, independent, math.exp(u))[1]

    peak = max((likelihood.maximise(start) for start in starts), key=lambda peak: peak.log_likelihood)
    return Maximum(peak, likelihood.interval(peak, below, above))


def _factors(lane: Lane, independent: bool, kappa: float) -> tuple[float, float]:
    """On the standard error of log kappa of independent values, below and above this kappa."""
    n = lane.known + lane.unseen
    kappa = of_the_matrix(kappa, n)
    above = 1.0 if independent else spread_factors(lane.gamma, kappa, n)[0]
    return above * skewness(kappa, n), above
