"""The null laws behind the p-values of the Marchenko-Pastur bulk: python -m benchmarks.bulk_null_table [WORK]

Draws noise matrices over a grid of shapes, fits their scale as the package does, and writes the quantiles of the KS
distance and of the largest eigenvalue to htmu_diag/fits/tables/bulk_null.npz. Below p = 0.005 the quantiles are those
of a generalised Pareto law fitted to the largest 2.5 % (its shape shared by all cells); then every level is smoothed
over the grid by a polynomial. WORK keeps the draws of each cell, so that an interrupted run goes on. Fixed seeds; about
four minutes on one core.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.special import ndtri
from scipy.stats import genpareto

from htmu_diag.fits.bulk_null import edge_score, ks_score
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.spiked import bulk_beside, scale_of
from htmu_diag.laws.ensembles import wishart
from htmu_diag.spectrum import Floats

TABLE = Path(__file__).parents[1] / "htmu_diag" / "fits" / "tables" / "bulk_null.npz"
SIZES = (10, 16, 28, 50, 90, 160, 320)
GAMMAS = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_BODY = (0.999, 0.99, 0.97, 0.95, *np.arange(0.9, 0.05, -0.1))
_TAIL = (0.07, 0.05, 0.035, 0.025, 0.015, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001, 5e-4, 2e-4, 1e-4)
P = np.array([*_BODY, *_TAIL])
TAIL, JOIN = 0.025, 0.005


def draws(n: int) -> int:
    return 10_000 if n <= 90 else 6_000 if n <= 160 else 3_000


def cell(n: int, gamma: float, count: int, seed: int) -> Floats:
    """(2, count): KS and edge scores of noise."""
    rng = np.random.default_rng([seed, n, round(1000 * gamma)])
    columns = max(round(n / gamma), n)
    bulk, ones = bulk_beside(np.empty(0), np.empty(0), n, n / columns, 0.0), np.ones(n)
    out = np.empty((2, count))
    for i in range(count):
        values = wishart(n, columns, rng=rng)
        values /= scale_of(values, ones, bulk)
        out[:, i] = ks_score(ks_of_levels(bulk.levels(values)), n), edge_score(values[-1], n, n / columns)
    return out


def raw(sample: Floats, shape: float) -> Floats:
    """Quantiles at P: of the sample, and of the Pareto tail below JOIN."""
    level = np.quantile(sample, 1 - TAIL)
    excess = sample[sample > level] - level
    tail = level + excess.mean() * (1 - shape) / shape * ((P / TAIL) ** -shape - 1)
    return np.asarray(np.where(P < JOIN, tail, np.quantile(sample, 1 - P)))


def smooth(quantiles: Floats) -> Floats:
    """(sizes, gammas, P): each level as a polynomial in log n and sqrt gamma."""
    x, y = np.meshgrid(np.log(SIZES) - 4, np.sqrt(GAMMAS), indexing="ij")
    terms = np.stack([x**i * y**j for i in range(4) for j in range(4) if i + j <= 4], -1).reshape(x.size, -1)
    weights = np.sqrt(np.array([draws(n) for n in SIZES]))[:, None].repeat(len(GAMMAS), 1).reshape(-1, 1)
    flat = quantiles.reshape(x.size, -1)
    fitted = terms @ np.linalg.lstsq(terms * weights, flat * weights, rcond=None)[0]
    print("largest and rms change by smoothing", np.abs(fitted - flat).max(), np.sqrt(np.mean((fitted - flat) ** 2, 0)))
    return np.asarray(np.maximum.accumulate(fitted.reshape(quantiles.shape), axis=-1))


def shared_shape(samples: list[Floats]) -> float:
    """Shape of the Pareto tail, from the excesses of all cells in units of their means."""
    excess = []
    for x in samples:
        beyond = x[x > np.quantile(x, 1 - TAIL)] - np.quantile(x, 1 - TAIL)
        excess.append(beyond / beyond.mean())
    return float(genpareto.fit(np.concatenate(excess), floc=0)[0])


def main(work: Path | None) -> None:
    cells = {}
    for n in SIZES:
        for gamma in GAMMAS:
            kept = work / f"{n}-{gamma}.npy" if work else None
            cells[n, gamma] = np.load(kept) if kept and kept.exists() else cell(n, gamma, draws(n), 1)
            if kept:
                np.save(kept, cells[n, gamma])
    arrays = {"sizes": np.array(SIZES, float), "gammas": np.array(GAMMAS), "scores": -ndtri(P)}
    for row, name in enumerate(("ks", "edge")):
        shape = shared_shape([x[row] for x in cells.values()])
        print(name, "tail shape", shape)
        quantiles = np.array([[raw(cells[n, g][row], shape) for g in GAMMAS] for n in SIZES])
        arrays[name] = smooth(quantiles)
    TABLE.parent.mkdir(exist_ok=True)
    np.savez_compressed(TABLE, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
