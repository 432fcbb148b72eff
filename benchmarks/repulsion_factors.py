"""Tabulate what repulsion does to the standard errors of HTMP fits: python -m benchmarks.repulsion_factors

Prints the rows of the table in htmu_diag/fits/repulsion.py. With S the score of the likelihood at the true (log kappa,
log scale) and H the Fisher information, the estimator's covariance is H**-1 Cov(S) H**-1, where independent values
would give H**-1. Both are measured on spectra of the matrix model, values below the resolution of an eigenvalue solver
unseen, as in a fit; five minutes on one core.
"""

from __future__ import annotations

import math

import numpy as np

from htmu_diag.fits.htmp_likelihood import Likelihood
from htmu_diag.fits.repulsion import GAMMAS, KAPPAS
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.spectrum import Floats

N, REPLICATES, CURVATURES = 400, 1500, 300
H = 0.01


def factors(gamma: float, kappa: float) -> tuple[float, float]:
    """Factors on the standard errors of log kappa and log scale; the seed is the cell's own."""
    rng, u = np.random.default_rng([7, round(100 * gamma), round(10 * kappa)]), math.log(kappa)
    samples = [_likelihood(beta_laguerre(N, gamma, kappa, rng=rng), gamma) for _ in range(REPLICATES)]
    scores = np.array([_score(sample, u) for sample in samples])
    naive = np.linalg.inv(np.mean([_curvature(sample, u) for sample in samples[:CURVATURES]], axis=0))
    true = naive @ np.cov(scores.T) @ naive
    return math.sqrt(true[0, 0] / naive[0, 0]), math.sqrt(true[1, 1] / naive[1, 1])


def _likelihood(values: Floats, gamma: float) -> Likelihood:
    kept = values[values > N * np.finfo(np.float64).eps * values[-1]]
    return Likelihood(kept, np.ones(kept.size), gamma, float(N - kept.size))


def _score(sample: Likelihood, u: float) -> Floats:
    by_u = (sample.at(u + H, 0) - sample.at(u - H, 0)) / (2 * H)
    by_v = (sample.at(u, H) - sample.at(u, -H)) / (2 * H)
    return np.array([by_u, by_v])


def _curvature(sample: Likelihood, u: float) -> Floats:
    """Observed information of one sample."""
    at = sample.at
    uu = (at(u + H, 0) - 2 * at(u, 0) + at(u - H, 0)) / H**2
    vv = (at(u, H) - 2 * at(u, 0) + at(u, -H)) / H**2
    uv = (at(u + H, H) - at(u + H, -H) - at(u - H, H) + at(u - H, -H)) / (4 * H**2)
    return -np.array([[uu, uv], [uv, vv]])


def main() -> None:
    rows = np.array([[factors(gamma, kappa) for kappa in KAPPAS] for gamma in GAMMAS])
    for which in (0, 1):
        print("\n".join(f"    ({', '.join(f'{x:.3f}' for x in row)})," for row in rows[:, :, which]), end="\n\n")


if __name__ == "__main__":
    main()
