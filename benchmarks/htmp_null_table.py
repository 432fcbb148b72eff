"""The null laws behind the p-value and the predicted alpha of HTMP: python -m benchmarks.htmp_null_table [WORK]

Draws the matrix model of HTMP over a grid of (gamma, kappa, n), fits the law as the package does, and writes to
htmu_diag/fits/tables/htmp_null.npz the quantiles of

- ks: sqrt(n) times the KS distance to the fitted law, the same for the law and its inverse;
- direct, inverse: log[(alpha - 1)/(predicted alpha - 1)] over its standard error for independent values, alpha measured
  with xmin searched for, on the values and on their reciprocals.

kappa goes from 0.2 to n, where the model is the Wishart ensemble, in equal steps of its logarithm. Beyond p = 0.02 the
KS quantiles are those of a generalised Pareto law fitted to the largest tenth; then every level is smoothed over the
grid by a polynomial, which the table gives on a finer grid. WORK keeps the draws of each cell. Fixed seeds; about
fifteen minutes on one core.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from benchmarks.null_cells import drawn, pareto_quantiles, shared_shape, smoothed
from htmu_diag.fits import fit_power_law
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.htmp_likelihood import Likelihood
from htmu_diag.laws import HTMP, InverseHTMP
from htmu_diag.laws.base import Law
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.spectrum import Floats
from htmu_diag.theory.tail_prediction import exponent_above

TABLE = Path(__file__).parents[1] / "htmu_diag" / "fits" / "tables" / "htmp_null.npz"
GAMMAS = (0.02, 0.15, 0.4, 0.7, 0.9, 1.0)
DRAWS = {20: 900, 60: 900, 200: 800, 1000: 160}
LEAST_KAPPA, PLACES = 0.2, 8
TABLE_GAMMAS = (0.02, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.85, 0.93, 1.0)
TABLE_SIZES = (20, 45, 100, 210, 460, 1000)
TABLE_PLACES = 13
_TAIL = (0.05, 0.035, 0.02, 0.01, 0.005, 0.002, 0.001, 5e-4, 2e-4, 1e-4)
P = np.array([0.999, 0.99, 0.97, 0.95, *np.arange(0.9, 0.05, -0.1), *_TAIL])
TAIL, JOIN = 0.1, 0.02
SCORES = np.array([0.005, 0.0125, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 0.9875, 0.995])  # of the predictions
MOST_OFF = 1.0  # the median of a prediction score
Cell = tuple[float, int, int]  # gamma, n, place of kappa


def kappas(n: int) -> Floats:
    return np.asarray(np.geomspace(LEAST_KAPPA, n, PLACES))


def cell(key: Cell) -> Floats:
    """(3, draws): the statistics, NaN where a fit has no answer."""
    gamma, n, place = key
    rng = np.random.default_rng([2, n, round(1000 * gamma), place])
    kappa = float(kappas(n)[place])
    return np.array([one(beta_laguerre(n, gamma, kappa, rng=rng), gamma) for _ in range(DRAWS[n])]).T


def one(values: Floats, gamma: float) -> list[float]:
    unit, n = float(values.mean()), values.size
    values = values[values > n * np.finfo(float).eps * values[-1]] / unit  # as after an eigenvalue solver
    unseen = float(n - values.size)
    peak = Likelihood(values, np.ones(values.size), gamma, unseen).maximise(1.0)
    kappa, scale = math.exp(peak.u), math.exp(peak.v)
    law = HTMP.from_row(gamma, kappa, scale, peak.row)
    ks = ks_of_levels(law.cdf(values), np.ones(values.size), unseen)
    inverse = InverseHTMP.from_row(gamma, kappa, 1 / scale, peak.row)
    return [math.sqrt(n) * ks, prediction_score(values, law), prediction_score(1 / values[::-1], inverse)]


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
    powers = itertools.product(range(5), range(3), range(degree + 1))
    return np.stack([g**i * n**j * k**m for i, j, m in powers if i + j + m <= degree], -1)


def on_the_grid(quantiles: Floats, degree: int) -> Floats:
    """(gammas, sizes, places, levels) of the table, from those of the cells."""
    cells = terms(GAMMAS, tuple(DRAWS), PLACES, degree)
    table = terms(TABLE_GAMMAS, TABLE_SIZES, TABLE_PLACES, degree)
    weights = [math.sqrt(DRAWS[n]) for _, n, _ in keys()]
    found = smoothed(quantiles, cells, weights, table)
    return found.reshape(len(TABLE_GAMMAS), len(TABLE_SIZES), TABLE_PLACES, -1)


def filled(samples: Sequence[Floats]) -> Floats:
    """(cells, levels) quantiles of prediction scores; where the inverse law has hardly an exponent above one, so that
    its values leave the floats, those of the next larger kappa, or of the next smaller gamma."""
    kept = [x[np.isfinite(x)] for x in samples]
    usable = [x.size > 50 and abs(np.median(x)) < MOST_OFF for x in kept]
    rows = [np.quantile(x, SCORES) if ok else np.full(SCORES.size, np.nan) for x, ok in zip(kept, usable, strict=True)]
    table = np.array(rows).reshape(len(GAMMAS), len(DRAWS), PLACES, -1)
    for place in reversed(range(PLACES - 1)):
        table[:, :, place] = np.where(np.isnan(table[:, :, place]), table[:, :, place + 1], table[:, :, place])
    for row in range(1, len(GAMMAS)):
        table[row] = np.where(np.isnan(table[row]), table[row - 1], table[row])
    return table.reshape(len(samples), -1)


def keys() -> list[Cell]:
    return list(itertools.product(GAMMAS, DRAWS, range(PLACES)))


def main(work: Path | None) -> None:
    cells = drawn(sorted(keys(), key=lambda key: key[1]), cell, work)
    ks = [cells[key][0][np.isfinite(cells[key][0])] for key in keys()]
    tail = shared_shape(ks, TAIL)
    print("shape of the tail", tail)
    arrays = {"gammas": np.array(TABLE_GAMMAS), "sizes": np.array(TABLE_SIZES, float)}
    arrays |= {"least_kappa": np.array(LEAST_KAPPA), "scores": -ndtri(P), "prediction_levels": SCORES}
    arrays["ks"] = np.exp(on_the_grid(np.log([pareto_quantiles(x, P, tail, TAIL, JOIN) for x in ks]), 6))
    for row, name in ((1, "direct"), (2, "inverse")):
        arrays[name] = on_the_grid(filled([cells[key][row] for key in keys()]), 5)
    np.savez_compressed(TABLE, **{name: array.astype(np.float32) for name, array in arrays.items()})  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
