"""Where the search for the kappa of many HTMP samples begins, from the means of x, x**2 and log x.

Near kappa = 0 the law is the Gamma law, whose likelihood needs the means of x and log x only, and the fitted law has
nearly the sample's mean of log x at any kappa. In a matrix of n rows and m columns the determinant is a product of
independent Gamma variables (Dumitriu & Edelman 2002), so with c = kappa/2

    E log(x/mean) = sum_i psi(c (m - i + 1)/n)/n - log(c/gamma),

where the sum is nearly (log Gamma(c (1/gamma + 1/(2n))) - log Gamma(c (1/gamma - 1 + 1/(2n))))/c.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from htmu_diag.fits.htmp_lanes import Lane
from htmu_diag.fits.htmp_likelihood import HIGHEST, LOWEST
from htmu_diag.laws.htmp_lattice import STEP, Indices
from htmu_diag.laws.log_gap import log_gamma
from htmu_diag.spectrum import Floats

__all__ = ["starts"]

_GRID = np.arange(-7.0, 9.5, 0.75)  # of log kappa
_HIGHER, _MOST = 1.0, math.log(8)  # than the variance says, and where it says no more
_HIGHEST = 3.9  # at a large kappa the likelihood is a spike, or flat with a second, lower maximum at the end


def starts(lanes: Sequence[Lane]) -> Indices:
    """(lanes,) rows of the grid in log kappa."""
    sizes = np.array([lane.t.size for lane in lanes])
    begins = sizes.cumsum() - sizes
    x = np.exp(np.concatenate([lane.t for lane in lanes]))
    means = np.stack([x, x * x])
    if any(lane.masses is not None for lane in lanes):
        means *= np.concatenate([np.ones(lane.t.size) if lane.masses is None else lane.masses for lane in lanes])
    known, unseen, gammas, logs = np.array(
        [(lane.known, lane.unseen, lane.gamma, lane.log_values / lane.known) for lane in lanes]
    ).T
    mean, square = np.add.reduceat(means, begins, axis=1) / (known + unseen)
    by_variance = _by_variance(square / mean**2 - 1, gammas)
    by_logs = np.minimum(_by_logs(logs, np.stack([_log_means(lane.gamma, lane.known) for lane in lanes])), _HIGHEST)
    u = np.where(by_variance < _MOST, np.minimum(by_variance + _HIGHER, by_logs), by_logs)
    u = np.where(unseen > 0, np.minimum(by_variance + _HIGHER, _MOST), u)
    return np.asarray(np.clip(np.rint(u / STEP), LOWEST, HIGHEST), np.intp)


def _by_variance(variance: Floats, gammas: Floats) -> Floats:
    """log kappa, at most log 8, from gamma (1 + 2/kappa), the variance of the law; what is unseen counts as zero."""
    return np.log(2 * gammas / np.maximum(variance - gammas, gammas / 4))


def _by_logs(logs: Floats, means: Floats) -> Floats:
    """log kappa with this mean of log x, from those on the grid (k, grid), which rise."""
    j = np.clip((means < logs[:, None]).sum(axis=1) - 1, 0, _GRID.size - 2)
    low, high = np.take_along_axis(means, j[:, None] + np.array([0, 1]), axis=1).T
    return np.asarray(_GRID[j] + (_GRID[1] - _GRID[0]) * np.clip((logs - low) / (high - low), 0.0, 1.0))


@lru_cache(maxsize=512)
def _log_means(gamma: float, n: float) -> Floats:
    """E log(x/mean) on the grid."""
    c, more = np.exp(_GRID) / 2, 0.5 / n
    upper, lower = (c * (1 / gamma + more)).tolist(), (c * (1 / gamma - 1 + more)).tolist()
    ratios = [log_gamma(a) - log_gamma(b) for a, b in zip(upper, lower, strict=True)]
    return np.asarray(ratios / c - np.log(c / gamma))
