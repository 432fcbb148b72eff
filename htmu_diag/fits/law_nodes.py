"""The log likelihood of one law of each family for each sample, in double precision, all samples side by side.

A law with a table is looked up on its own nodes, its log density linear between them. Between the shapes of the grid
the noise of a lognormal population is looked up along levels of its mass (`LevelRows`): its density falls off so
steeply that a polynomial through seven log likelihoods was a half off in one of a hundred spectra. Marchenko-Pastur's
law and Wachter's end in edges, and where an edge passes a value the likelihood has a kink that no table and no
polynomial follows: those are told by their formula, Wachter's of several shapes and scales, of which the likeliest is
kept. In y = x/(1 - s), x in units of the scale and s the spread (0: Marchenko-Pastur), the density of log x is

    (1 - s) sqrt((b - y)(y - a)) / (2 pi (gamma + s y)),    a, b = ((1 -+ sqrt(gamma + s - gamma s))/(1 - s))**2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.law_row import LevelRows
from htmu_diag.fits.law_rows import FAMILIES, NEVER
from htmu_diag.fits.law_sample import CONTAMINATION, Sample
from htmu_diag.laws.htmp_lattice import STEP
from htmu_diag.spectrum import Floats

__all__ = [
    "NOISE",
    "POPULATION",
    "REPULSION",
    "TABLES",
    "WACHTER",
    "Points",
    "heights_by_formula",
    "heights_of_some",
    "heights_on_levels",
    "heights_on_nodes",
]

_NAMES = [family.name for family in FAMILIES]
NOISE, WACHTER = _NAMES.index("MarchenkoPastur"), _NAMES.index("Wachter")  # among the families, as all others are:
POPULATION = _NAMES.index("FreeLognormal")  # of which what is between the shapes is looked up too
REPULSION = [_NAMES.index(name) for name in ("HTMP", "InverseHTMP")]
TABLES = [k for k in range(len(FAMILIES)) if k not in (NOISE, WACHTER)]
_FAR = 300.0  # of a logarithm: what is further from a scale counts as that far, and no square overflows


class Points:
    """The values of samples, one behind the other, and what their log likelihoods need."""

    def __init__(self, samples: Sequence[Sample], gammas: Sequence[float]) -> None:
        self.samples, self.gammas = samples, gammas
        self.counts = [sample.t.size for sample in samples]
        self.ends = [0, *accumulate(self.counts)]
        self.t = np.concatenate([sample.t for sample in samples])
        self._masses = np.concatenate([sample.masses for sample in samples])
        self._backgrounds = np.repeat([sample.background for sample in samples], self.counts)

    def heights(self, density: Floats) -> Floats:
        """(k, samples) log likelihoods from densities (k, points) of log x, which are lost."""
        density *= 1 - CONTAMINATION
        density += self._backgrounds
        np.log(density, out=density)
        density *= self._masses
        return np.asarray(np.add.reduceat(density, self.ends[:-1], axis=1))


def heights_on_nodes(points: Points, places: npt.NDArray[np.intp], scales: Floats) -> Floats:
    """(tables, samples) of `TABLES`, at whole places and logarithms of scales, (samples, families)."""
    found = np.empty((len(TABLES), points.t.size))
    each = zip(
        points.samples, points.gammas, places.tolist(), scales.tolist(), points.ends, points.ends[1:], strict=False
    )
    for sample, gamma, place, at, first, last in each:
        for line, k in zip(found, TABLES, strict=True):
            row = FAMILIES[k].row(gamma, place[k])
            line[first:last] = np.interp(sample.t - at[k], row.nodes, row.log_g, NEVER, NEVER)
    return points.heights(np.exp(found, out=found))


def heights_of_some(
    points: Points, samples: npt.NDArray[np.intp], family: int, places: npt.NDArray[np.intp], scales: Floats
) -> Floats:
    """(k, some) of a family of `TABLES` for some samples, at whole places (some,) and k logarithms of scales each."""
    some, found = [points.samples[i] for i in samples.tolist()], []
    for i, sample, place, tried in zip(samples.tolist(), some, places.tolist(), scales.T.tolist(), strict=True):
        row = FAMILIES[family].row(points.gammas[i], place)
        found.append([np.interp(sample.t - at, row.nodes, row.log_g, NEVER, NEVER) for at in tried])
    return Points(some, [points.gammas[i] for i in samples.tolist()]).heights(np.exp(np.concatenate(found, axis=1)))


def heights_on_levels(points: Points, places: Floats, scales: Floats) -> Floats:
    """(samples,) of the noise of a lognormal population, at any places and logarithms of scales (samples,)."""
    found = np.empty((1, points.t.size))
    each = zip(
        points.samples, points.gammas, places.tolist(), scales.tolist(), points.ends, points.ends[1:], strict=False
    )
    for sample, gamma, place, at, first, last in each:
        found[0, first:last] = np.interp(sample.t - at, *_levels(gamma).between(place), NEVER, NEVER)
    return np.asarray(points.heights(np.exp(found, out=found))[0])


@lru_cache(maxsize=64)  # 170 kB each
def _levels(gamma: float) -> LevelRows:
    family = FAMILIES[POPULATION]
    return LevelRows(partial(family.row, gamma), family.low, family.high)


def heights_by_formula(points: Points, places: Floats, scales: Floats) -> Floats:
    """(k, samples) of Wachter's law at places and logarithms of scales (k, samples); of Marchenko-Pastur's where the
    place is -inf."""
    spread, gammas = 1 / (1 + np.exp(-STEP * places)), np.array(points.gammas)
    rest, root = 1 - spread, np.sqrt(gammas + spread - gammas * spread)
    each = np.array([scales, rest, ((1 - root) / rest) ** 2, ((1 + root) / rest) ** 2, spread, gammas + 0 * spread])
    scale, rest, low, high, spread, gamma = each.repeat(points.counts, axis=2)
    y = np.minimum(np.maximum(points.t - scale, -_FAR), _FAR)
    np.exp(y, out=y)
    y /= rest
    density = high - y
    density *= y - low
    np.sqrt(np.maximum(density, 0.0, out=density), out=density)
    density *= rest
    y *= spread
    y += gamma
    density /= y
    density *= 0.5 / math.pi
    return points.heights(density)
