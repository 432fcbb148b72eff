"""The laws that a spectrum is held against, each as rows of numbers: log density of t = log(x/mean) on nodes.

A family has one shape parameter (Marchenko-Pastur none), on a grid on which its likelihood is smooth; a row depends on
(gamma, place on the grid) alone and serves every spectrum of the shape. In log x the inverse law is the mirrored one,
and densities of different laws compare without a change of units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.law_row import Row
from htmu_diag.laws import HTMP, FreeLognormal, Gamma, InverseHTMP, MarchenkoPastur, Wachter
from htmu_diag.laws.base import Law
from htmu_diag.laws.free import LEAST_SIGMA, MOST_SIGMA, log_density_at
from htmu_diag.laws.hermite import hermite
from htmu_diag.laws.htmp_lattice import STEP, grid_row, lattice
from htmu_diag.spectrum import Floats

__all__ = ["FAMILIES", "NEVER", "Family"]

_FAR = 42.0  # in t: from there on every density is below what contamination leaves
NEVER = -700.0
_SPARSE = 130  # points at which Silverstein's equation is solved for a row
_OVER = 0.05  # that a smooth log density rises above two neighbouring points
_NARROW = 0.3  # a population of less spread leaves an edge that no spline follows
_BEND, _MATTERS = 0.4, -12.0  # second difference of the log density that no cubic follows, where there is mass


@dataclass(frozen=True)
class Family:
    """name: of the law's class; label: in tables.

    low, high: ends of the grid, at least six apart, or equal where there is no shape (Marchenko-Pastur alone, whose
    scale is looked for by its formula: ``law_edges``). first: the places that are looked at first. shape: of a place on
    the grid, whole or not. row: (gamma, place) -> `Row`. law: (gamma, shape, scale) -> the law itself.
    """

    name: str
    label: str
    parameter: str
    low: int
    high: int
    first: range
    shape: Callable[[float], float]
    row: Callable[[float, int], Row]
    law: Callable[[float, float, float], Law]

    @property
    def parameters(self) -> int:
        """Number of fitted ones, the scale included."""
        return 2 if self.high > self.low else 1


def _exponential(place: float) -> float:
    return math.exp(STEP * place)


def _logistic(place: float) -> float:
    return 1 / (1 + math.exp(-STEP * place))


@lru_cache(maxsize=256)
def _near(gamma: float) -> Floats:
    nodes = lattice(gamma).nodes
    return nodes[np.abs(nodes) < _FAR]


def _log_g_of(law: Law, nodes: Floats) -> Floats:
    """Of a law of mean 1, from its density."""
    return np.maximum(law.logpdf(np.exp(nodes)) + nodes, NEVER)


@lru_cache(maxsize=64)
def _marchenko_pastur(gamma: float, _: int) -> Row:
    nodes = _near(gamma)
    return Row(nodes, _log_g_of(MarchenkoPastur(gamma), nodes))


@lru_cache(maxsize=768)
def _htmp(gamma: float, place: int) -> Row:
    return Row(_near(gamma), grid_row(gamma, place).data[0][np.abs(lattice(gamma).nodes) < _FAR])


@lru_cache(maxsize=768)
def _inverse_htmp(gamma: float, place: int) -> Row:
    return _htmp(gamma, place).mirrored


@lru_cache(maxsize=768)
def _free(gamma: float, place: int) -> Row:
    """Solved where there is mass: at every node about an edge, else at some, with a cubic in between."""
    sigma, nodes = _exponential(place), _near(gamma)
    low = 2 * math.log1p(-math.sqrt(gamma)) if gamma < 1 else -16.0
    reach = 6.5 * sigma + 0.5 * sigma**2
    inner = np.flatnonzero((nodes > low - reach) & (nodes < 2 * math.log1p(math.sqrt(gamma)) + reach))
    log_g = np.full(nodes.size, NEVER)
    if sigma < _NARROW:
        log_g[inner] = log_density_at(nodes[inner], gamma, sigma)
        return Row(nodes, log_g)
    sparse = inner[:: max(inner.size // _SPARSE, 1)]
    kept = slice(int(inner[0]), int(sparse[-1]) + 1)
    solved = log_density_at(nodes[sparse], gamma, sigma)
    log_g[kept] = _smooth(nodes[kept], nodes[sparse], solved)
    edge = _about_cliffs(sparse, solved)
    if edge.size:
        log_g[edge] = log_density_at(nodes[edge], gamma, sigma)
    return Row(nodes, log_g)


def _about_cliffs(places: npt.NDArray[np.intp], values: Floats) -> npt.NDArray[np.intp]:
    """Places from one point before to one after each bend that no cubic follows; none where there is no such bend."""
    bend = np.zeros(values.size)
    bend[1:-1] = np.abs(np.diff(values, 2))
    sharp = (bend > _BEND) & (np.maximum(values, np.roll(values, -1)) > _MATTERS)
    near = np.flatnonzero(np.convolve(sharp, np.ones(5), "same")[:-1])
    return np.concatenate([np.arange(places[k] + 1, places[k + 1]) for k in near]) if near.size else near


def _smooth(t: Floats, nodes: Floats, values: Floats) -> Floats:
    """Cubic Hermite interpolation with the slopes of parabolas, kept near the values at either side: a plain cubic
    overshoots by tens where the density falls off."""
    i = np.minimum(np.searchsorted(nodes, t, side="right") - 1, nodes.size - 2)
    width = nodes[i + 1] - nodes[i]
    found = hermite(values, np.gradient(values, nodes), i, width, (t - nodes[i]) / width)
    low, high = np.minimum(values[i], values[i + 1]), np.maximum(values[i], values[i + 1])
    return np.asarray(np.minimum(np.maximum(found, low - _OVER), high + _OVER))


@lru_cache(maxsize=768)
def _wachter(gamma: float, place: int) -> Row:
    nodes = _near(gamma)
    return Row(nodes, _log_g_of(Wachter(gamma, _logistic(place)), nodes))


@lru_cache(maxsize=256)
def _gamma(place: int) -> Row:
    shape = _exponential(place)
    spread = min(12.0, 9 / math.sqrt(shape))
    nodes = np.linspace(-max(spread, min(16 / shape, _FAR)), spread, 1200)
    return Row(nodes, _log_g_of(Gamma(shape), nodes))


_KAPPA = (round(math.log(1e-2) / STEP), round(math.log(1e4) / STEP), range(-2, 35, 4))
_SIGMA = (math.ceil(math.log(LEAST_SIGMA) / STEP), math.floor(math.log(MOST_SIGMA) / STEP), range(-7, 2, 4))
FAMILIES = (
    Family(
        "MarchenkoPastur",
        "MP",
        "",
        0,
        0,
        range(1),
        lambda _: math.nan,
        _marchenko_pastur,
        lambda g, _, s: MarchenkoPastur(g, s),
    ),
    Family("HTMP", "HTMP", "kappa", *_KAPPA, _exponential, _htmp, HTMP),
    Family("InverseHTMP", "inverse HTMP", "kappa", *_KAPPA, _exponential, _inverse_htmp, InverseHTMP),
    Family("FreeLognormal", "MP x lognormal", "sigma", *_SIGMA, _exponential, _free, FreeLognormal),
    Family("Wachter", "Wachter", "spread", -24, 24, range(-24, 25, 4), _logistic, _wachter, Wachter),
    Family(
        "Gamma",
        "Gamma",
        "shape",
        -10,
        32,
        range(-10, 31, 4),
        _exponential,
        lambda _, k: _gamma(k),
        lambda _, a, s: Gamma(a, s),
    ),
)
