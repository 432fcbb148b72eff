"""Tabulate what repulsion does to the standard errors of HTMP fits: python -m benchmarks.repulsion_factors

Prints the tables in htmu_diag/fits/repulsion.py. With S the score of the likelihood at the true (log kappa,
log scale) and H the Fisher information, the estimator's covariance is H**-1 Cov(S) H**-1, where independent values
would give H**-1. Both are measured on spectra of the matrix model, values below the resolution of an eigenvalue solver
unseen, as in a fit; five minutes on one core. Then the root of what the profile has fallen by at the truth: its 97.5 %
quantile over that of a normal one, over all shapes, for each share kappa/n; a minute more.
"""

from __future__ import annotations

import math

import numpy as np

from htmu_diag.fits.htmp_likelihood import HIGHEST, Likelihood
from htmu_diag.fits.intervals import Z95
from htmu_diag.fits.repulsion import GAMMAS, KAPPAS, SHARES, spread_factors
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.laws.htmp_lattice import STEP
from htmu_diag.spectrum import Floats

N, REPLICATES, CURVATURES = 400, 1500, 300
H = 0.01
SHAPES: dict[tuple[int, float], int] = {
    (60, 0.3): 200, (100, 0.25): 200, (100, 1.0): 200, (200, 0.1): 160, (200, 0.5): 160, (200, 0.9): 160,
    (330, 0.5): 120, (330, 1.0): 120, (1000, 0.8): 40, (1000, 0.25): 40,
}  # draws of (n, gamma) behind the skewness  # fmt: skip


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


def skewness(share: float) -> float:
    """97.5 % quantile of the root at kappa = share n, over that of a normal one."""
    roots = []
    for (n, gamma), draws in SHAPES.items():
        rng = np.random.default_rng([9, n, round(100 * gamma), round(1000 * share)])
        limit = -math.log(1 / (share * n) - 0.5 / n)  # of the law that n eigenvalues look like
        roots += [_root(beta_laguerre(n, gamma, share * n, rng=rng), gamma, limit) for _ in range(draws)]
    return float(np.quantile(roots, 0.975)) / Z95


def _root(values: Floats, gamma: float, u: float) -> float:
    """Positive where the maximum lies above u; the profile is a spline through four points of the grid about u."""
    n = values.size
    kept = values[values > n * np.finfo(np.float64).eps * values[-1]]
    sample = Likelihood(kept / kept.mean(), np.ones(kept.size), gamma, float(n - kept.size))
    peak, first = sample.maximise(1.0), min(math.floor(u / STEP) - 1, HIGHEST - 3)
    near = range(first, first + 4)
    height = float(np.polyval(np.polyfit(near, [sample.profile(k) for k in near], 3), u / STEP))
    factor = spread_factors(gamma, 1 / (math.exp(-u) + 0.5 / n), n)[0]
    return math.copysign(math.sqrt(2 * max(peak.log_likelihood - height, 0.0)) / factor, peak.u - u)


def main() -> None:
    rows = np.array([[factors(gamma, kappa) for kappa in KAPPAS] for gamma in GAMMAS])
    for which in (0, 1):
        print("\n".join(f"    ({', '.join(f'{x:.3f}' for x in row)})," for row in rows[:, :, which]), end="\n\n")
    print(", ".join(f"{skewness(share):.2f}" for share in SHARES))


if __name__ == "__main__":
    main()
