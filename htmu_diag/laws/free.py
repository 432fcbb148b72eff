"""Marchenko-Pastur noise over a lognormal population: a spread of variances instead of weaker repulsion.

The rows of a matrix of independent entries get variances with a lognormal law of relative spread sigma. The spectrum
has full repulsion at every distance and a heavy-looking density: the rival of HTMP, whose one parameter is the spread
itself (correlated data). sigma -> 0 is Marchenko-Pastur. Numbers come from ``silverstein``, kept as Chebyshev
polynomials in log x for each (gamma, sigma).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from htmu_diag.laws.base import ContinuousLaw, numbers_only, require
from htmu_diag.laws.chebyshev import DEGREE, NODES, TO_COEFFICIENTS, series
from htmu_diag.laws.silverstein import Population, log_density, solve
from htmu_diag.spectrum import Floats

__all__ = ["LEAST_SIGMA", "MOST_SIGMA", "FreeLognormal", "log_density_at"]

LEAST_SIGMA, MOST_SIGMA = 0.02, 4.0
_DEEPEST = -45.0  # of the log density of log x: the table ends there, and goes on in a straight line
_LOWEST, _HIGHEST = -90.0, 60.0  # in log x
_TOLERANCE = 1e-9  # relative size of the last coefficients of a panel
_MOST_PANELS = 64
_OVERSHOOTS = 1e-2  # of the last coefficients


@dataclass(frozen=True)
class FreeLognormal(ContinuousLaw):
    """gamma: smaller side over larger, in (0, 1]. sigma: standard deviation of the logarithm of the rows' variances, in
    [0.02, 4]. scale: mean, > 0. Raises InputError for other parameters.

    The first call at a new (gamma, sigma) builds a table in 10 to 60 ms; the density then has an error of 1e-9 or so
    against the equation itself.
    """

    gamma: float
    sigma: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        require(
            0 < self.gamma <= 1, "FreeLognormal", f"gamma = {self.gamma} is not in (0, 1]", "pass the smaller ratio"
        )
        require(
            LEAST_SIGMA <= self.sigma <= MOST_SIGMA,
            "FreeLognormal",
            f"sigma = {self.sigma} is not in [{LEAST_SIGMA}, {MOST_SIGMA:g}]",
            "use MarchenkoPastur for a population without spread",
        )
        require(
            0 < self.scale < math.inf, "FreeLognormal", f"scale = {self.scale} is not positive", "pass the law's mean"
        )

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def mean(self) -> float:
        return self.scale

    def var(self) -> float:
        """scale**2 (gamma + exp(sigma**2) - 1): noise and population add (free probability)."""
        return self.scale * self.scale * (self.gamma + math.expm1(self.sigma**2))

    def _logpdf(self, x: Floats) -> Floats:
        log_x = np.log(x)
        return self._table.log_g(log_x - math.log(self.scale)) - log_x

    def _cdf(self, x: Floats) -> Floats:
        return self._table.mass(np.log(x / self.scale))

    def _sf(self, x: Floats) -> Floats:
        return 1 - self._cdf(x)

    def _ppf(self, q: Floats) -> Floats:
        return np.exp(self._table.quantile(q)) * self.scale

    def _isf(self, q: Floats) -> Floats:
        return self._ppf(1 - q)

    @cached_property
    def _table(self) -> _Table:
        return _table(self.gamma, self.sigma)

    def __getstate__(self) -> dict[str, float]:
        """The parameters without the table."""
        return {"gamma": self.gamma, "sigma": self.sigma, "scale": self.scale}


def log_density_at(t: Floats, gamma: float, sigma: float) -> Floats:
    """Log of the density of log x at t = log(x/mean), (n,), straight from the equation."""
    return log_density(np.exp(t), gamma, Population.lognormal(sigma)) + t


@dataclass(frozen=True)
class _Table:
    """edges: (panels + 1,) in t; coefficients: (panels, 2, DEGREE + 1) of log g and of the mass below."""

    edges: Floats
    coefficients: Floats

    def log_g(self, t: Floats) -> Floats:
        """Beyond the ends a straight line."""
        inner = np.clip(t, self.edges[0], self.edges[-1])
        low, high = self._end_slopes
        return np.asarray(self._at(inner)[0] + np.where(t < inner, low, high) * (t - inner))

    def mass(self, t: Floats) -> Floats:
        """Below the table, what the straight line leaves."""
        inner = np.clip(t, self.edges[0], self.edges[-1])
        below = np.exp(np.minimum(self.log_g(t), 0.0)) / max(self._end_slopes[0], 1e-9)
        return np.asarray(np.where(t < inner, below, np.clip(self._at(inner)[1], 0.0, 1.0)))

    def quantile(self, q: Floats) -> Floats:
        """Newton's method from the table's nodes."""
        t = self.edges[:-1, None] + np.diff(self.edges)[:, None] * (NODES[:-1] + 1) / 2
        nodes = t.ravel()
        masses = np.maximum.accumulate(self.mass(nodes))
        low, high = nodes[0], nodes[-1]
        found = np.interp(q, masses, nodes)
        for _ in range(5):
            step = (self.mass(found) - q) / np.maximum(np.exp(self.log_g(found)), 1e-30)
            found = np.clip(found - np.clip(step, -0.2, 0.2), low, high)
        return np.asarray(found)

    @cached_property
    def _end_slopes(self) -> tuple[float, float]:
        ends = self.edges[[0, 0, -1, -1]] + 1e-3 * np.array([0, 1, -1, 0])
        values = self._at(ends)[0]
        return max(float(values[1] - values[0]) / 1e-3, 0.0), min(float(values[3] - values[2]) / 1e-3, 0.0)

    def _at(self, t: Floats) -> Floats:
        index = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, len(self.coefficients) - 1)
        left = self.edges[index]
        return series(self.coefficients, index, 2 * (t - left) / (self.edges[index + 1] - left) - 1)


@lru_cache(maxsize=128)
def _table(gamma: float, sigma: float) -> _Table:
    population = Population.lognormal(sigma)
    low, high = _ends(gamma, population)
    waiting = list(zip(*_cuts(low, high, gamma), strict=True))
    done: list[tuple[float, float, Floats]] = []
    while waiting:
        t = np.concatenate([a + (b - a) * (NODES + 1) / 2 for a, b in waiting])
        found = solve(np.exp(t), gamma, population)
        values = np.stack([found.log_density + t, found.mass]).reshape(2, len(waiting), -1).swapaxes(0, 1)
        coefficients = values @ TO_COEFFICIENTS.T
        rough = np.abs(coefficients[:, :, -3:]).max(axis=(1, 2)) > _TOLERANCE * np.abs(coefficients).max(axis=(1, 2))
        room = len(done) + 2 * len(waiting) <= _MOST_PANELS
        split = [pair for pair, bad in zip(waiting, rough, strict=True) if bad and room]
        for (a, b), line, bad in zip(waiting, coefficients, rough, strict=True):
            if bad and not room:
                _take_a_straight_line(line)
            if not (bad and room):
                done.append((a, b, line))
        waiting = [half for a, b in split for half in ((a, (a + b) / 2), ((a + b) / 2, b))]
    done.sort(key=lambda panel: panel[0])
    return _Table(np.array([done[0][0], *(b for _, b, _ in done)]), np.array([c for _, _, c in done]))


def _take_a_straight_line(series: Floats) -> None:
    """From end to end of a panel that lies at a cliff, if its series is far from it: that would overshoot."""
    if np.abs(series[:, -3:]).max() > _OVERSHOOTS:
        left, right = (series @ sign ** np.arange(DEGREE + 1) for sign in (-1.0, 1.0))
        series[:] = 0
        series[:, 0], series[:, 1] = (left + right) / 2, (right - left) / 2


def _ends(gamma: float, population: Population) -> tuple[float, float]:
    """Where the density of log x is still above the table's depth."""
    t = np.linspace(_LOWEST, _HIGHEST, 301)
    log_g = solve(np.exp(t), gamma, population).log_density + t
    deep = np.flatnonzero(log_g > _DEEPEST)
    centre = int(np.argmax(log_g))
    first, last = (int(deep[0]), int(deep[-1])) if deep.size else (centre, centre)
    return float(t[max(first - 1, 0)]), float(t[min(last + 1, t.size - 1)])


def _cuts(low: float, high: float, gamma: float) -> tuple[list[float], list[float]]:
    """First panels, cut at the Marchenko-Pastur edges where a narrow population bends the density."""
    edges = [2 * math.log1p(math.sqrt(gamma)), 2 * math.log1p(-math.sqrt(gamma)) if gamma < 1 else low]
    marks = sorted(
        {low, high, *(edge for edge in edges if low < edge < high), *np.linspace(low, high, 7)[1:-1].tolist()}
    )
    return marks[:-1], marks[1:]
