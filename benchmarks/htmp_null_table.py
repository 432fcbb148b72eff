"""The null laws behind the p-value and the predicted alpha of HTMP: python -m benchmarks.htmp_null_table [WORK]

Draws the matrix model of HTMP over a grid of (gamma, n), its kappa even in log kappa from 0.1 to 4n, fits the law as
the package does, and writes to htmu_diag/fits/tables/htmp_null.npz, given what was found of kappa, the quantiles of

- ks, ks_joint: sqrt(n) times the KS distance to the fitted law, the same for the law and its inverse, given the fitted
  kappa, and given the repulsion of the joint density;
- direct, inverse: log[(alpha - 1)/(predicted alpha - 1)] over its standard error for independent values, alpha measured
  with xmin searched for, on the values and on their reciprocals, given the fitted kappa.

Each place of the table looks at the draws about it, the trend of their log distances taken out. Beyond p = 0.02 the KS
quantiles are those of a generalised Pareto law fitted to the largest tenth. Those given the joint density are smoothed
over the grid by a polynomial in each level, which the table gives on a finer grid; the others are not smooth enough at
their ends (values lost to rounding, fits that end at noise) and go through the places. WORK keeps the draws of
each cell. Fixed seeds; about an hour on one core.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator, interp1d
from scipy.special import ndtri

from benchmarks.null_cells import drawn, pareto_quantiles, shared_shape, smoothed
from htmu_diag.fits import fit_power_law
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.htmp_likelihood import Likelihood
from htmu_diag.fits.joint_repulsion import joint_repulsion
from htmu_diag.fits.repulsion import matrix_kappa
from htmu_diag.laws import HTMP, InverseHTMP
from htmu_diag.laws.base import Law
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.spectrum import Floats
from htmu_diag.theory.tail_prediction import exponent_above

TABLE = Path(__file__).parents[1] / "htmu_diag" / "fits" / "tables" / "htmp_null.npz"
GAMMAS = (0.02, 0.15, 0.4, 0.7, 0.9, 1.0)
DRAWS = {20: 10000, 45: 12000, 100: 12000, 210: 10000, 460: 6000, 1000: 4000}
CHUNK = {20: 500, 45: 500, 100: 500, 210: 250, 460: 125, 1000: 50}  # draws with one seed
LEAST_DRAWN, MOST_DRAWN = 0.1, 4.0  # kappa, kappa/n
LEAST_KAPPA = 0.2  # from here to n the tables go where kappa is fitted
JOINT = (0.03, 2.5)  # and these are the ends of kappa/n of the joint density
PLACES = 12
DEGREE = 6
NEAR = 0.75  # of the distance of two places: what a place looks at on either side
TABLE_GAMMAS = (0.02, 0.08, 0.15, 0.27, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0)  # GAMMAS and others between
TABLE_PLACES = 2 * PLACES - 1
_TAIL = (0.05, 0.035, 0.02, 0.01, 0.005, 0.002, 0.001, 5e-4, 2e-4, 1e-4)
P = np.array([0.999, 0.99, 0.97, 0.95, *np.arange(0.9, 0.05, -0.1), *_TAIL])
TAIL, JOIN = 0.1, 0.02
SCORES = np.array([0.005, 0.0125, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 0.9875, 0.995])  # of the predictions
MOST_OFF = 1.0  # the median of a prediction score
Cell = tuple[float, int]  # gamma, n
Places = list[tuple[Floats, Floats]]  # the draws about a place: log kappa found, less that of the place; the statistic


def cell(key: Cell) -> Floats:
    """(5, draws): log kappa as fitted and of the joint density, then the statistics, NaN where there is no answer."""
    gamma, n = key
    found = []
    for chunk in range(DRAWS[n] // CHUNK[n]):
        rng = np.random.default_rng([0, 77, n, round(1000 * gamma), 0, chunk])
        for _ in range(CHUNK[n]):
            kappa = math.exp(rng.uniform(math.log(LEAST_DRAWN), math.log(MOST_DRAWN * n)))
            found.append(one(beta_laguerre(n, gamma, kappa, rng=rng), gamma))
    return np.array(found).T


def one(values: Floats, gamma: float) -> list[float]:
    unit, n = float(values.mean()), values.size
    values = values[values > n * np.finfo(float).eps * values[-1]] / unit  # as after an eigenvalue solver
    unseen = float(n - values.size)
    peak = Likelihood(values, np.ones(values.size), gamma, unseen).maximise(1.0)
    kappa, scale = math.exp(peak.u), math.exp(peak.v)
    law = HTMP.from_row(gamma, kappa, scale, peak.row)
    ks = ks_of_levels(law.cdf(values), np.ones(values.size), unseen)
    inverse = InverseHTMP.from_row(gamma, kappa, 1 / scale, peak.row)
    known = math.log(matrix_kappa(kappa, n)), math.log(n * joint_repulsion(values, gamma, unseen))
    return [*known, math.sqrt(n) * ks, prediction_score(values, law), prediction_score(1 / values[::-1], inverse)]


def prediction_score(values: Floats, law: Law) -> float:
    tail = fit_power_law(values)
    predicted = exponent_above(law, tail.xmin, tail.n_tail)
    if not tail.alpha > 1 or not predicted.alpha > 1:
        return math.nan
    return math.log((tail.alpha - 1) / (predicted.alpha - 1)) / predicted.log_stderr


def terms(gammas: Sequence[float], sizes: Sequence[int], places: int, degree: int) -> Floats:
    """(cells, terms): powers of gamma, log n and the place of kappa, gamma slowest."""
    grids = np.meshgrid(np.array(gammas) - 0.5, np.log(sizes) / 2 - 2.5, np.linspace(-1, 1, places), indexing="ij")
    g, n, k = (grid.ravel() for grid in grids)
    powers = itertools.product(range(5), range(4), range(degree + 1))
    return np.stack([g**i * n**j * k**m for i, j, m in powers if i + j + m <= degree], -1)


def smooth(quantiles: Floats) -> Floats:
    """(gammas, sizes, places, levels) of the table, from those of the places of all cells, by polynomials."""
    cells = terms(GAMMAS, tuple(DRAWS), PLACES, DEGREE)
    table = terms(TABLE_GAMMAS, tuple(DRAWS), TABLE_PLACES, DEGREE)
    weights = [math.sqrt(DRAWS[n]) for _, n in keys() for _ in range(PLACES)]
    found = smoothed(quantiles, cells, weights, table)
    return found.reshape(len(TABLE_GAMMAS), len(DRAWS), TABLE_PLACES, -1)


def linear(quantiles: Floats) -> Floats:
    """The same, along the cells: cubic in gamma, linear in kappa."""
    table = quantiles.reshape(len(GAMMAS), len(DRAWS), PLACES, -1)
    finer = PchipInterpolator(GAMMAS, table, axis=0)(TABLE_GAMMAS)
    return np.asarray(interp1d(np.arange(PLACES), finer, axis=2)(np.linspace(0, PLACES - 1, TABLE_PLACES)))


def about(found: Floats, statistic: Floats, ends: tuple[float, float]) -> Places:
    """The draws about each place, those with an answer."""
    nodes = np.linspace(math.log(ends[0]), math.log(ends[1]), PLACES)
    kept = np.isfinite(statistic)
    found, statistic = found[kept], statistic[kept]
    reach = NEAR * (nodes[1] - nodes[0])
    near = [np.abs(found - node) < reach for node in nodes]
    return [(found[here] - node, statistic[here]) for here, node in zip(near, nodes, strict=True)]


def at_the_place(offset: Floats, distance: Floats) -> Floats:
    """Distances as if all draws lay at the place: their parabola in log kappa is taken out."""
    if np.ptp(offset) < 1e-6:  # all of them are called noise
        return distance
    bend, slope, _ = np.polyfit(offset, np.log(distance), 2)
    return np.asarray(distance * np.exp(-(bend * offset**2 + slope * offset)))


def filled(samples: Sequence[Floats]) -> Floats:
    """(places, levels) quantiles of prediction scores; where the inverse law has hardly an exponent above one, so that
    its values leave the floats, those of the next larger kappa, or of the next smaller gamma."""
    usable = [x.size > 100 and abs(np.median(x)) < MOST_OFF for x in samples]
    rows = [
        np.quantile(x, SCORES) if ok else np.full(SCORES.size, np.nan) for x, ok in zip(samples, usable, strict=True)
    ]
    table = np.array(rows).reshape(len(GAMMAS), len(DRAWS), PLACES, -1)
    for place in reversed(range(PLACES - 1)):
        table[:, :, place] = np.where(np.isnan(table[:, :, place]), table[:, :, place + 1], table[:, :, place])
    for row in range(1, len(GAMMAS)):
        table[row] = np.where(np.isnan(table[row]), table[row - 1], table[row])
    return table.reshape(len(samples), -1)


def keys() -> list[Cell]:
    return list(itertools.product(GAMMAS, DRAWS))


def main(work: Path | None) -> None:
    cells = drawn(sorted(keys(), key=lambda key: key[1]), cell, work)

    def places(known: int, statistic: int) -> Places:
        of_n = [(LEAST_KAPPA, n) if known == 0 else (JOINT[0] * n, JOINT[1] * n) for _, n in keys()]
        both = [(cells[key][known], cells[key][statistic], ends) for key, ends in zip(keys(), of_n, strict=True)]
        return [x for found, values, ends in both for x in about(found, values, ends)]

    arrays = {"gammas": np.array(TABLE_GAMMAS), "sizes": np.array(tuple(DRAWS), float)}
    arrays |= {"least_kappa": np.array(LEAST_KAPPA), "joint": np.array(JOINT)}
    arrays |= {"scores": -ndtri(P), "prediction_levels": SCORES}
    for known, (name, between) in enumerate((("ks", linear), ("ks_joint", smooth))):
        ks = [at_the_place(*x) for x in places(known, 2)]
        tail = shared_shape(ks, TAIL)
        print(name, "shape of the tail", tail)
        arrays[name] = np.exp(between(np.log([pareto_quantiles(x, P, tail, TAIL, JOIN) for x in ks])))
    for row, name in ((3, "direct"), (4, "inverse")):
        arrays[name] = linear(filled([x for _, x in places(0, row)]))
    np.savez(TABLE, **{name: array.astype(np.float32) for name, array in arrays.items()})  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
