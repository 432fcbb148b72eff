"""Central quantiles of many Marchenko-Pastur laws at once (see ``marchenko_pastur``, whose angle and r this uses).

A sum over the 65 levels from 25 to 75 % of a function that is analytic there is the sum over twelve nodes, by the
Gauss rule of the 65 points: exact for polynomials of degree 23, and the quantiles have no singularity nearer than the
levels 0 and 1, which leaves 1e-15. The nodes' angles are analytic in r on [0, 1], quantiles at other levels in r and
the level: Chebyshev series, to 1e-14. Levels below 17 % are found by Newton's method with the second derivative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["CENTRAL", "CentralQuantiles", "angles_at", "mass_below", "nodes"]

CENTRAL = np.linspace(0.25, 0.75, 65)
_NODES = 12
_LOWEST, _HIGHEST = 0.17, 0.75  # levels of the series
_PER_LEVEL = 2 / (_HIGHEST - _LOWEST)
_LEAST = 0.01
_IN_R, _IN_LEVEL = 44, 32  # its terms
_ORDERS = np.arange(float(_IN_R))
_BEND = 0.5  # the second derivative changes no step by more: far away it says little
_SETTLED = 1e-5  # in the angle; errors are cubed, so that the step after would be below rounding
_MOST_STEPS = 30
_SERIES_BELOW, _LAST = 0.1, 17  # r below which T is taken from its series, as in ``marchenko_pastur``


class CentralQuantiles:
    """Of laws of mean 1 with these square roots r (n,) of their aspect ratios, up to 1.

    angles: (n, 12) of the nodes' levels. Each law is computed by itself: the same beside any others.
    """

    def __init__(self, r: Floats) -> None:
        self._r = r
        self._in_r = np.cos(np.arccos(2 * r - 1)[:, None] * _ORDERS)[:, None, :]
        self.angles: Floats = (self._in_r @ nodes().angles)[:, 0]

    def sums(self) -> Floats:
        """(n,) of the quantiles at the levels `CENTRAL`."""
        return self._summed(self.angles, self._r)

    @cached_property
    def _in_level(self) -> Floats:
        """(n, 32) coefficients of powers of the level's place."""
        return np.asarray((self._in_r @ nodes().quantiles)[:, 0])

    def sums_below(self, moved: Floats) -> Floats:
        """(n,) the same with levels at the nodes that are lower by so much, (n, 12), 1 % at least."""
        place = nodes().places - moved * _PER_LEVEL
        powers = np.empty((*place.shape, _IN_LEVEL))
        powers[:, :, 0], powers[:, :, 1:] = 1.0, np.maximum(place, -1.0)[:, :, None]
        np.multiply.accumulate(powers, axis=2, out=powers)
        sums = np.asarray((nodes().weights @ powers * self._in_level).sum(axis=1))
        if place.min() < -1:
            self._take_lower(sums, moved, np.asarray((place < -1).any(axis=1)))
        return sums

    def _take_lower(self, sums: Floats, moved: Floats, far: npt.NDArray[np.bool_]) -> None:
        """Where a level lies below the series."""
        r, levels = self._r[far], np.maximum(nodes().levels - moved[far], _LEAST)
        sums[far] = self._summed(angles_at(levels, self.angles[far], np.repeat(r[:, None], _NODES, axis=1)), r)

    @staticmethod
    def _summed(angles: Floats, r: Floats) -> Floats:
        y = (1 + r * r)[:, None] - 2 * r[:, None] * np.cos(angles)
        return np.asarray((y * nodes().weights).sum(axis=1))


def angles_at(levels: Floats, start: Floats, r: Floats) -> Floats:
    """(n, m) angles of levels (n, m) between 1 and 99 %, from angles nearby; r: (n, m). A row does not depend on the
    others: it is left alone once it has settled."""
    theta, settled = start, np.zeros((len(start), 1), bool)
    for _ in range(_MOST_STEPS):
        sine, cosine = np.sin(theta), np.cos(theta)
        y = 1 + r * r - 2 * r * cosine
        step = (levels - mass_below(theta, sine, cosine, r)) * y * (0.5 * math.pi) / (sine * sine)
        bend = step * (cosine / sine - r * sine / y)
        step *= 1 - np.minimum(np.maximum(bend, -_BEND), _BEND)
        step = np.minimum(np.maximum(step, -theta / 2), (math.pi - theta) / 2)
        theta = np.where(settled, theta, theta + step)
        settled |= (np.abs(step) < _SETTLED).all(axis=1, keepdims=True)
        if settled.all():
            break
    return theta


def mass_below(theta: Floats, sine: Floats, cosine: Floats, r: Floats) -> Floats:
    """F at angles of many laws; sine, cosine: of theta, r: in (0, 1], all of one shape."""
    plain = np.maximum(r, _SERIES_BELOW)
    across, square = plain * sine, plain * plain
    t = np.arctan2(across, 1.0 - plain * cosine)
    value = theta + (across - (1.0 - square) * t) / square
    small = r < _SERIES_BELOW
    if small.any():
        value[small] = _by_series(theta[small], sine[small], cosine[small], r[small])
    return np.asarray(value / math.pi)


def _by_series(theta: Floats, sine: Floats, cosine: Floats, r: Floats) -> Floats:
    """pi F by Clenshaw's recurrence for the sum over n >= 2 of r**(n - 2) sin(n theta)/n."""
    powers = [np.ones_like(r)]
    for _ in range(2, _LAST):
        powers.append(powers[-1] * r)
    last, now = np.zeros_like(r), np.zeros_like(r)
    for n in range(_LAST, 1, -1):
        last, now = now, powers[n - 2] / n + 2 * cosine * now - last
    tail = (2 * cosine * now - last) * sine
    return np.asarray(theta + r * sine + (r * r - 1) * tail)


@dataclass(frozen=True)
class Nodes:
    """levels, weights: (12,) of the sum over `CENTRAL`; places: of the levels in [-1, 1] of the series.

    Chebyshev coefficients in 2 r - 1: angles, (44, 12), of the levels; quantiles, (44, 32), of the powers of a place.
    """

    levels: Floats
    weights: Floats
    places: Floats
    angles: Floats
    quantiles: Floats


@lru_cache(maxsize=1)
def nodes() -> Nodes:
    """The rule and the series; made at the first call, in some milliseconds."""
    levels, weights = _gauss_rule(4 * CENTRAL - 2)
    levels = levels / 4 + 0.5
    (roots, in_r), (across, in_level) = _chebyshev(_IN_R), _chebyshev(_IN_LEVEL)
    others = _LOWEST + (_HIGHEST - _LOWEST) * (across + 1) / 2
    every = np.broadcast_to(np.concatenate([levels, others]), (_IN_R, _NODES + _IN_LEVEL))
    r = np.repeat((roots[:, None] + 1) / 2, every.shape[1], axis=1)
    angles = angles_at(every, np.full(r.shape, 0.5 * math.pi), r)
    y = (1 + r * r - 2 * r * np.cos(angles))[:, _NODES:]
    places = (levels - 0.5 * (_HIGHEST + _LOWEST)) * _PER_LEVEL
    quantiles = in_r @ y @ in_level.T @ _powers_of_chebyshev(_IN_LEVEL)
    return Nodes(levels, weights * CENTRAL.size, places, in_r @ angles[:, :_NODES], quantiles)


def _powers_of_chebyshev(terms: int) -> Floats:
    """(terms, terms) coefficients of each Chebyshev polynomial. They grow like 2.41**k; coefficients of a series that
    fall like 2.8**-k, as those in the level do, lose nothing."""
    out = np.eye(terms)
    for k in range(2, terms):
        out[k] = 2 * np.roll(out[k - 1], 1) - out[k - 2]
    return out


def _chebyshev(terms: int) -> tuple[Floats, Floats]:
    """(terms,) places in [-1, 1], and the matrix from values there to coefficients."""
    angles, k = math.pi * (np.arange(terms) + 0.5) / terms, np.arange(terms)[:, None]
    return np.cos(angles), np.where(k == 0, 1, 2) / terms * np.cos(k * angles)


def _gauss_rule(points: Floats) -> tuple[Floats, Floats]:
    """Nodes and weights (12,) for the mean over points: eigenvalues of the Jacobi matrix (Golub & Welsch 1969)."""
    diagonal, beside = np.zeros(_NODES), np.zeros(_NODES)
    before, now = np.zeros(points.size), np.full(points.size, 1 / math.sqrt(points.size))
    for k in range(_NODES):
        diagonal[k] = points @ (now * now)
        after = (points - diagonal[k]) * now - beside[k - 1] * before
        beside[k] = math.sqrt(after @ after)
        before, now = now, after / beside[k]
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    return values, vectors[0] ** 2
