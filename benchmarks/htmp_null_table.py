"""The null laws behind the p-value and the predicted alpha of HTMP: python -m benchmarks.htmp_null_table [WORK]

Draws the matrix model of HTMP over a grid of (gamma, kappa, n), fits the law as the package does, and writes to
htmu_diag/fits/tables/htmp_null.npz the quantiles of

- ks: sqrt(n) times the KS distance to the fitted law, the same for the law and its inverse;
- direct, inverse: log[(alpha - 1)/(predicted alpha - 1)] over its standard error for independent values, alpha measured
  with xmin searched for, on the values and on their reciprocals.

kappa goes from 0.2 to n, where the model is the Wishart ensemble, in equal steps of its logarithm. Beyond p = 0.02 the
KS quantiles are those of a generalised Pareto law fitted to the largest tenth; then every level is smoothed over the
grid by a polynomial. WORK keeps the draws of each cell. Fixed seeds; about ten minutes on one core.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from scipy.special import ndtri
from scipy.stats import genpareto

from htmu_diag.fits import fit_power_law
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.htmp_likelihood import Likelihood
from htmu_diag.laws import HTMP, InverseHTMP
from htmu_diag.laws.base import Law
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.spectrum import Floats
from htmu_diag.theory.tail_prediction import exponent_above

TABLE = Path(__file__).parents[1] / "htmu_diag" / "fits" / "tables" / "htmp_null.npz"
GAMMAS = (0.1, 0.4, 0.8, 1.0)
SIZES = (30, 120, 500)
LEAST_KAPPA, PLACES = 0.2, 5
P = np.array([0.999, 0.99, 0.97, 0.95, *np.arange(0.9, 0.05, -0.1), 0.05, 0.035, 0.02, 0.01, 0.005, 0.002, 0.001])
TAIL, JOIN = 0.1, 0.02
SCORES = np.array([0.005, 0.0125, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 0.9875, 0.995])  # of the predictions
DRAWS = {30: 400, 120: 400, 500: 200}


def kappas(n: int) -> Floats:
    return np.asarray(np.geomspace(LEAST_KAPPA, n, PLACES))


def cell(n: int, gamma: float, place: int) -> Floats:
    """(3, draws): the statistics, NaN where a fit has no answer."""
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


def upper_quantiles(sample: Floats, shape: float) -> Floats:
    """At P: of the sample, and of the Pareto tail below JOIN."""
    level = np.quantile(sample, 1 - TAIL)
    excess = sample[sample > level] - level
    tail = level + excess.mean() * (1 - shape) / shape * ((P / TAIL) ** -shape - 1)
    return np.asarray(np.where(P < JOIN, tail, np.quantile(sample, 1 - P)))


def shared_shape(samples: list[Floats]) -> float:
    excess = []
    for x in samples:
        beyond = x[x > np.quantile(x, 1 - TAIL)] - np.quantile(x, 1 - TAIL)
        excess.append(beyond / beyond.mean())
    return float(genpareto.fit(np.concatenate(excess), floc=0)[0])


def smooth(quantiles: Floats) -> Floats:
    """(gammas, sizes, places, levels): each level as a polynomial in gamma, log n and the place."""
    grids = np.meshgrid(np.array(GAMMAS) - 0.5, np.log(SIZES) / 3 - 1.6, np.linspace(-1, 1, PLACES), indexing="ij")
    g, n, k = (grid.ravel() for grid in grids)
    powers = [(i, j, m) for i in range(3) for j in range(2) for m in range(4) if i + j + m <= 4]
    terms = np.stack([g**i * n**j * k**m for i, j, m in powers], -1)
    flat = quantiles.reshape(g.size, -1)
    kept = np.isfinite(flat).all(axis=1)
    fitted = terms @ np.linalg.lstsq(terms[kept], flat[kept], rcond=None)[0]
    print("rms change by smoothing", np.sqrt(np.mean((fitted - flat)[kept] ** 2, 0)).round(3))
    return np.asarray(np.maximum.accumulate(fitted.reshape(quantiles.shape), axis=-1))


def main(work: Path | None) -> None:
    cells = {}
    for n in SIZES:
        for gamma in GAMMAS:
            for place in range(PLACES):
                kept = work / f"{n}-{gamma}-{place}.npy" if work else None
                cells[gamma, n, place] = np.load(kept) if kept and kept.exists() else cell(n, gamma, place)
                if kept:
                    np.save(kept, cells[gamma, n, place])
    keys = [(g, n, k) for g in GAMMAS for n in SIZES for k in range(PLACES)]
    shape = (len(GAMMAS), len(SIZES), PLACES)
    ks = [cells[key][0][np.isfinite(cells[key][0])] for key in keys]
    tail = shared_shape(ks)
    print("shape of the tail", tail)
    arrays = {"gammas": np.array(GAMMAS), "sizes": np.array(SIZES, float), "least_kappa": np.array(LEAST_KAPPA)}
    arrays |= {"scores": -ndtri(P), "prediction_levels": SCORES}
    arrays["ks"] = np.exp(smooth(np.log([upper_quantiles(x, tail) for x in ks]).reshape(*shape, P.size)))
    for row, name in ((1, "direct"), (2, "inverse")):
        found = [cells[key][row] for key in keys]
        few = [x[np.isfinite(x)] for x in found]
        quantiles = [np.quantile(x, SCORES) if x.size > 50 else np.full(SCORES.size, np.nan) for x in few]
        arrays[name] = smooth(np.array(quantiles).reshape(*shape, SCORES.size))
    np.savez_compressed(TABLE, **arrays)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
