"""Silverstein's equation for a lognormal population: the resolvent of noise whose rows have unequal variances.

Let t have a lognormal law of mean 1, log t ~ Normal(-sigma**2/2, sigma**2). The companion transform m = m(x + i0) of
the spectrum of T**(1/2) X X^T T**(1/2)/N solves (Silverstein & Bai 1995)

    x = -1/m + gamma E[t/(1 + t m)],        Im m > 0,

and gives density and distribution function in closed form: f = Im m/(pi gamma), and with
Psi = -log m + gamma E log(1 + t m) - x m, which is stationary in m, the companion's mass below x is -Im Psi/pi.

The expectation has its poles at t = -1/m, in the upper half plane of log t, at the real axis where the density
vanishes. So log t is moved down by an angle: the integrand is analytic there, the trapezoidal rule converges
geometrically, and the equation is continued across the real axis: Newton's method has one root to go to. Where
Im m is tiny, it is the residue of the pole over the derivative, with relative accuracy (near an edge, where the
derivative vanishes, it is not tiny).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from htmu_diag.errors import HTMUError
from htmu_diag.spectrum import Floats

__all__ = ["Population", "Resolvent", "log_density", "solve"]

Complexes = npt.NDArray[np.complexfloating]

_REACH = 8.8  # standard deviations: exp(-_REACH**2/2) = 1e-17
_ROUGH_REACH = 6.0  # exp(-_ROUGH_REACH**2/2) = 1e-8
_ANGLE, _DEVIATIONS = 1.4, 2.5  # of the move, at most, in log t and in standard deviations (it multiplies rounding)
_FINE = 0.28  # trapezoidal step for a pole at unit distance: exp(-2 pi/0.28 * 1.4) is below rounding
_HEIGHTS = (0.5, 0.1, 0.02, 0.0)  # Im z/x on the way to the real axis: the fastest of nine such ways, all with one end
_NEWTON_STEPS = 60
_ON_THE_WAY = 0.1  # of a step at a height that is only passed: Newton's error is then its square
_EXACT = 1e-12  # and of the last one
_BLOCK = 4096  # numbers: larger arrays are new pages of memory each time
_FEWER = 0.8  # where this share of the points goes on, the others are left out
_FLAT = 0.02
_NOTHING = 1e-14  # of Im m/|m|: beside an edge less is rounding, of either sign
_TINY = 1e-5  # of Im m/|m|: below it the residue, whose error is its square


@dataclass(frozen=True)
class Population:
    """Nodes t (k,) and weights of the expectation over a lognormal law of mean 1, on the moved contour."""

    sigma: float
    t: Complexes
    weights: Complexes

    @classmethod
    def lognormal(cls, sigma: float, reach: float = _REACH, coarse: float = 1.0) -> Population:
        """coarse: times the step."""
        shift = min(_ANGLE / sigma, _DEVIATIONS)
        step = coarse * min(0.45, _FINE / sigma)
        rho = np.arange(-math.ceil(reach / step), math.ceil(reach / step) + 1) * step
        zeta = rho - 1j * shift
        weights = np.exp(-(zeta**2) / 2) * (step / math.sqrt(2 * math.pi))
        return cls(sigma, np.exp(sigma * zeta - sigma**2 / 2), weights)

    @cached_property
    def roughly(self) -> Population:
        """A third of the nodes, for 1e-6."""
        return Population.lognormal(self.sigma, _ROUGH_REACH, 2.0)

    def log_density(self, log_t: Floats) -> Floats:
        """Of log t."""
        z = log_t / self.sigma + self.sigma / 2
        return np.asarray(-(z**2) / 2 - math.log(self.sigma * math.sqrt(2 * math.pi)))


@dataclass(frozen=True)
class Resolvent:
    """At points x (n,): log of the density, and the mass below."""

    log_density: Floats
    mass: Floats


def solve(x: Floats, gamma: float, population: Population) -> Resolvent:
    """The spectrum of mean 1 at positive x (n,). Raises HTMUError where the equation finds no root."""
    log_density, m = _at(x, gamma, population)
    log_terms = np.log1p(m[:, None] * population.t) @ population.weights
    psi = -np.log(m) + gamma * log_terms - x * m
    mass = (-psi.imag / math.pi - (1 - gamma)) / gamma
    return Resolvent(log_density, np.clip(mass, 0.0, 1.0))


def log_density(x: Floats, gamma: float, population: Population) -> Floats:
    """The same without the mass, which takes a logarithm at each node."""
    return _at(x, gamma, population)[0]


def _at(x: Floats, gamma: float, population: Population) -> tuple[Floats, Complexes]:
    """The log density, and m."""
    m = _root(x, gamma, population)
    log_density = np.log(np.maximum(m.imag, _NOTHING * np.abs(m)) / (math.pi * gamma))
    tiny = m.imag < _TINY * np.abs(m)
    tiny[tiny] = _steep(_real(m[tiny]), x[tiny], gamma, population)
    if tiny.any():
        log_density[tiny], m[tiny] = _residue(_real(m[tiny]), x[tiny], gamma, population)
    return log_density, m


def _root(x: Floats, gamma: float, population: Population) -> Complexes:
    """From far above the real axis down to it; each height starts along the tangent of the one before."""
    z = x * (1 + _HEIGHTS[0] * 1j)
    m, rate = _marchenko_pastur(z, gamma), np.zeros(x.size, complex)
    for height in _HEIGHTS:
        above, z = z, x * (1 + height * 1j)
        at, within = (population.roughly, _ON_THE_WAY) if height else (population, _EXACT)
        m, rate = _newton(_moved(m, rate * (z - above)), z, gamma, at, within)
    return m


def _marchenko_pastur(z: Complexes, gamma: float) -> Complexes:
    """The root without spread, of z m**2 + (z + 1 - gamma) m + 1 = 0 with z m in the upper half plane; far below the
    bulk, where that root loses its digits, the pole of the companion's atom at zero."""
    half = z + 1 - gamma
    root = np.sqrt(half**2 - 4 * z)
    larger = np.where((half.conjugate() * root).real >= 0, -(half + root), -(half - root)) / 2
    first, second = larger / z, 1 / larger  # their product is 1/z
    root = np.where((z * first).imag > (z * second).imag, first, second)
    return np.asarray(np.where(np.abs(z) < 0.1 * (1 - math.sqrt(gamma)) ** 2, -(1 - gamma) / z, root))


def _newton(
    m: Complexes, z: Complexes, gamma: float, population: Population, within: float
) -> tuple[Complexes, Complexes]:
    """Newton's method in log m, steps of one half at most, until one is shorter than ``within``; and d(log m)/dz."""
    found, rates, going = m, np.zeros_like(m), np.arange(m.size)
    for _ in range(_NEWTON_STEPS):
        value, slope = _equation(m, z, gamma, population)
        rate = 1 / (slope * m)
        step = -value * rate
        m, size = _moved(m, step), np.abs(step)
        more = size >= within
        left = int(np.count_nonzero(more))
        if left < _FEWER * m.size:
            found[going], rates[going] = m, rate
            m, z, rate, size, going = m[more], z[more], rate[more], size[more], going[more]
        if left == 0:
            return found, rates
    found[going], rates[going] = m, rate
    if size.max() < 1e-9:
        return found, rates
    raise HTMUError(
        f"Silverstein's equation: no root at x = {z[np.argmax(size)].real:.4g} (gamma = {gamma:g}, "
        f"sigma = {population.sigma:g}); report these parameters"
    )


def _moved(m: Complexes, step: Complexes) -> Complexes:
    """By a step in log m, of which one half at most is taken."""
    return np.asarray(m * np.exp(step * np.minimum(1.0, 0.5 / np.maximum(np.abs(step), 1e-300))))


def _equation(m: Complexes, z: Complexes, gamma: float, population: Population) -> tuple[Complexes, Complexes]:
    """-1/m + gamma E[t/(1 + t m)] - z, as -(1 - gamma + gamma E[1/(1 + t m)])/m - z, and its derivative."""
    share, bend = np.empty_like(m), np.empty_like(m)
    size, curved = max(_BLOCK // population.t.size, 1), population.weights * population.t
    for start in range(0, m.size, size):
        some = slice(start, start + size)
        rest = np.multiply.outer(m[some], population.t)
        rest += 1
        np.reciprocal(rest, out=rest)
        share[some] = rest @ population.weights
        rest *= rest
        bend[some] = rest @ curved
    share = 1 - gamma + gamma * share
    return -share / m - z, share / m**2 + gamma * bend / m


def _real(m: Complexes) -> Floats:
    return np.asarray(m.real, dtype=np.float64)


def _steep(m: Floats, x: Floats, gamma: float, population: Population) -> npt.NDArray[np.bool_]:
    """Where the derivative, over its order 1/m**2, is far from the zero that it has at an edge."""
    slope = _equation(m.astype(complex), x.astype(complex), gamma, population)[1].real
    return np.asarray(slope * m**2 > _FLAT)


def _residue(m: Floats, x: Floats, gamma: float, population: Population) -> tuple[Floats, Complexes]:
    """Log density and m where Im m is tiny: -gamma Im E[t/(1 + t m)] over the derivative, the former in closed form."""
    slope = _equation(m.astype(complex), x.astype(complex), gamma, population)[1].real
    log_t = -np.log(-m)
    log_density = log_t + population.log_density(log_t) - np.log(slope)
    return np.asarray(log_density), m + 1j * np.exp(log_density) * math.pi * gamma
