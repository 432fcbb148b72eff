"""The null laws behind the p-values of the Marchenko-Pastur bulk: python -m benchmarks.bulk_null_table [WORK]

Draws noise matrices over a grid of shapes, fits their scale as the package does, and writes the quantiles of the KS
distance and of the largest eigenvalue to htmu_diag/fits/tables/bulk_null.npz. Below p = 0.005 the quantiles are those
of a generalised Pareto law fitted to the largest 2.5 % (its shape shared by all cells); then every level is smoothed
over the grid by a polynomial. WORK keeps the draws of each cell, so that an interrupted run goes on. Fixed seeds; about
four minutes on one core.
"""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from benchmarks.null_cells import drawn, pareto_quantiles, shared_shape, smoothed
from htmu_diag.fits.bulk import bulk_levels
from htmu_diag.fits.bulk_null import edge_score, ks_score
from htmu_diag.fits.bulk_rounds import Asked, fitted_bulk
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.laws.ensembles import wishart
from htmu_diag.spectrum import Floats

TABLE = Path(__file__).parents[1] / "htmu_diag" / "fits" / "tables" / "bulk_null.npz"
SIZES = (10, 16, 28, 50, 90, 160, 320)
GAMMAS = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_BODY = (0.999, 0.99, 0.97, 0.95, *np.arange(0.9, 0.05, -0.1))
_TAIL = (0.07, 0.05, 0.035, 0.025, 0.015, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001, 5e-4, 2e-4, 1e-4)
P = np.array([*_BODY, *_TAIL])
TAIL, JOIN = 0.025, 0.005
Cell = tuple[int, float]  # n, gamma


def draws(n: int) -> int:
    return 10_000 if n <= 90 else 6_000 if n <= 160 else 3_000


def cell(key: Cell) -> Floats:
    """(2, draws): KS and edge scores of noise."""
    n, gamma = key
    rng, count = np.random.default_rng([1, n, round(1000 * gamma)]), draws(n)
    columns = max(round(n / gamma), n)
    out = np.empty((2, count))
    for i in range(count):
        asked = Asked(wishart(n, columns, rng=rng), n / columns)
        bulk = fitted_bulk(asked, n, 0.0)
        largest = edge_score(asked.values[-1] / bulk.scale, n, n / columns)
        out[:, i] = ks_score(ks_of_levels(bulk_levels([asked], [bulk])[0]), n), largest
    return out


def terms() -> Floats:
    """(cells, terms): powers of log n and sqrt gamma, n slowest."""
    x, y = np.meshgrid(np.log(SIZES) - 4, np.sqrt(GAMMAS), indexing="ij")
    return np.stack([x**i * y**j for i in range(4) for j in range(4) if i + j <= 4], -1).reshape(x.size, -1)


def keys() -> list[Cell]:
    return list(itertools.product(SIZES, GAMMAS))


def main(work: Path | None) -> None:
    cells = drawn(keys(), cell, work)
    arrays = {"sizes": np.array(SIZES, float), "gammas": np.array(GAMMAS), "scores": -ndtri(P)}
    weights = [math.sqrt(draws(n)) for n, _ in keys()]
    for row, name in enumerate(("ks", "edge")):
        samples = [cells[key][row] for key in keys()]
        shape = shared_shape(samples, TAIL)
        print(name, "tail shape", shape)
        quantiles = np.array([pareto_quantiles(x, P, shape, TAIL, JOIN) for x in samples])
        arrays[name] = smoothed(quantiles, terms(), weights, terms()).reshape(len(SIZES), len(GAMMAS), -1)
    TABLE.parent.mkdir(exist_ok=True)
    np.savez(TABLE, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
