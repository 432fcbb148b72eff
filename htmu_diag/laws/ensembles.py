"""Random matrices that have these laws as limits, by their eigenvalues."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import GENERATOR, RATIO, checked, real, real_array, whole
from htmu_diag.laws.base import require
from htmu_diag.laws.bidiagonal import squared_singular_values
from htmu_diag.spectrum import Floats

__all__ = ["beta_laguerre", "levy", "spiked", "wishart"]


@checked(p=whole(1, 10**7), n=whole(1), scale=real(0, above=True), rng=GENERATOR)
def wishart(p: int, n: int, *, rng: np.random.Generator, scale: float = 1.0) -> Floats:
    """(min(p, n),) ascending eigenvalues of W W^T / max(p, n) for a Gaussian p x n matrix W.

    Its entries have variance ``scale``; the limit is MarchenkoPastur(small/large, scale).
    By the chi bidiagonal model of Dumitriu & Edelman (2002), in O(p**2) operations: no dense matrix is formed.
    """
    small, large = sorted((p, n))
    require(small >= 1, "wishart", f"p = {p}, n = {n}", "pass a matrix with at least one row and column")
    diagonal = rng.chisquare(large - np.arange(small))
    below = rng.chisquare(small - 1 - np.arange(small - 1)) if small > 1 else np.empty(0)
    return squared_singular_values(diagonal, below) * (scale / large)


@checked(n=whole(1), gamma=RATIO, kappa=real(0, above=True), scale=real(0, above=True), rng=GENERATOR)
def beta_laguerre(n: int, gamma: float, kappa: float, *, rng: np.random.Generator, scale: float = 1.0) -> Floats:
    """(n,) ascending eigenvalues whose law tends to HTMP(gamma, kappa, scale), repulsion kappa/n between any two.

    Bidiagonal model (Dumitriu & Edelman 2002; Trinh & Trinh 2021): squared diagonal
    Gamma((kappa/2)(1/gamma - 1) + (kappa/2)(n - i + 1)/n), squared subdiagonal Gamma((kappa/2)(n - i)/n), i = 1..n. Its
    mean is ``scale`` at every n, and at kappa = n it is ``wishart(n, n/gamma)``. O(n) memory; 10 ms at n = 1,000, 3 s
    at n = 10**5 and kappa = 3. Beyond kappa of about 30, and at gamma = 1, the time grows like n**2 (0.8 s at 10**4).
    Small values keep their relative accuracy (see ``bidiagonal``).
    """
    require(
        0.0 < gamma <= 1.0,
        "beta_laguerre",
        f"gamma = {gamma} is not in (0, 1]",
        "pass the smaller side over the larger",
    )
    require(n >= 1, "beta_laguerre", f"n = {n}", "pass at least one eigenvalue")
    require(kappa > 0.0, "beta_laguerre", f"kappa = {kappa} is not positive", "pass a positive repulsion")
    repulsion = 0.5 * kappa * (n - np.arange(n)) / n
    base = 0.5 * kappa * (1.0 - gamma) / gamma
    diagonal = rng.standard_gamma(base + repulsion)
    below = rng.standard_gamma(repulsion[1:])
    return squared_singular_values(diagonal, below) * (scale * 2.0 * gamma / kappa)


@checked(p=whole(1), n=whole(1), scale=real(0, above=True), rng=GENERATOR)
def spiked(p: int, n: int, spikes: npt.ArrayLike, *, rng: np.random.Generator, scale: float = 1.0) -> Floats:
    """(min(p, n),) ascending eigenvalues of W W^T / max(p, n), a Wishart bulk with planted directions.

    W is Gaussian with entries of variance ``scale``; the first rows of its smaller side are multiplied by
    sqrt(spike), so that the population covariance has these eigenvalues (times scale) and 1 elsewhere. A spike shows
    outside the Marchenko-Pastur bulk when it exceeds 1 + sqrt(gamma), then near spike (1 + gamma/(spike - 1)) (Baik,
    Ben Arous & Peche 2005; Baik & Silverstein 2006). Dense: O(p**2 n).
    """
    small, large = sorted((p, n))
    strengths = np.atleast_1d(real_array(spikes, "spikes")).ravel()
    require(strengths.size <= small, "spiked", f"{strengths.size} spikes in {small} rows", "pass fewer spikes")
    require(bool((strengths >= 0).all()), "spiked", f"spikes {strengths} has a negative value", "pass variances")
    matrix = rng.standard_normal((small, large))
    matrix[: strengths.size] *= np.sqrt(strengths)[:, None]
    return _gram_eigenvalues(matrix) * (scale / large)


@checked(p=whole(1), n=whole(1), index=real(), rng=GENERATOR)
def levy(p: int, n: int, index: float, *, rng: np.random.Generator) -> Floats:
    """(min(p, n),) ascending eigenvalues of W W^T / max(p, n)**(2/index), entries with tails P(|w| > t) = t**-index.

    Entries are symmetric Pareto, 0 < index < 2 (infinite variance). The limit law has density exponent 1 + index/2
    in its upper tail (Belinschi, Dembo & Guionnet 2009). Dense: O(p**2 n).
    """
    require(0.0 < index < 2.0, "levy", f"index = {index} is not in (0, 2)", "use wishart for finite variance")
    small, large = sorted((p, n))
    matrix = rng.pareto(index, (small, large)) + 1.0
    matrix *= rng.choice([-1.0, 1.0], size=matrix.shape)
    return np.asarray(_gram_eigenvalues(matrix) * float(large) ** (-2.0 / index))


def _gram_eigenvalues(matrix: Floats) -> Floats:
    """Squared singular values: small ones keep digits that the Gram matrix would lose beside huge ones."""
    return np.asarray(np.linalg.svd(matrix, compute_uv=False)[::-1] ** 2)
