"""The mean gap ratio against repulsion: python -m benchmarks.gap_ratio_curve

Draws the beta-Laguerre ensemble at 200 eigenvalues, aspect ratios 0.3 and 0.8, and repulsion beta from 0.01 to 1, and
prints the coefficients of the cubic that `htmu_diag.fits.gaps` holds: through the Poisson value at 0 and that of the
Gaussian orthogonal ensemble at 1. Fixed seed; about fifteen seconds of one core.
"""

from __future__ import annotations

import numpy as np

from htmu_diag.fits import gap_ratio
from htmu_diag.fits.gaps import GOE, POISSON
from htmu_diag.laws.ensembles import beta_laguerre

BETAS = (0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SIZE, DRAWS = 200, 200


def main() -> None:
    rng = np.random.default_rng(4)
    means, errors = [], []
    for beta in BETAS:
        ratios = [
            gap_ratio(beta_laguerre(SIZE, g, beta * SIZE, rng=rng)).mean for g in (0.3, 0.8) for _ in range(DRAWS)
        ]
        means.append(np.mean(ratios))
        errors.append(np.std(ratios) / np.sqrt(len(ratios)))
    places, excess = np.array(BETAS), np.array(means) - POISSON - (GOE - POISSON) * np.array(BETAS)
    terms = np.stack([places * (1 - places), places**2 * (1 - places)], axis=1)
    found = np.linalg.lstsq(terms, excess, rcond=None)[0]
    print("beta(1 - beta), beta^2(1 - beta):", found.round(4))
    print("off by, in standard errors:", ((terms @ found - excess) / np.array(errors)).round(1))


if __name__ == "__main__":
    main()
