"""Better point measures from the same products: averages of Gauss rules, and moments imposed on a rule.

The Gauss rule of m Lanczos steps is a staircase that crosses the true distribution function 2m times. The rules of m
and m - 1 steps interlace, so their errors have opposite signs almost everywhere: the mean of the last few rules has a
Wasserstein-1 error 30 to 45 % smaller (measured), all nodes inside the spectrum, and every moment that the shortest of
them integrates exactly.

Moments known better than the rule has them (from more probes) are imposed by the smallest change of the weights in the
chi-squared distance: w (1 + c_1 p_1 + c_2 p_2) with p_1, p_2 orthogonal polynomials of the rule. That is regression on
the moments, the optimal correction for Gaussian errors of the weights.
"""

from __future__ import annotations

import numpy as np
import scipy

from htmu_diag.spectrum import Floats

__all__ = ["averaged", "gauss_rule", "jacobi", "with_moments"]

_RULES = 4  # as many as give 4/5 of what any number gives; the rule grows in proportion


def jacobi(nodes: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Diagonal (m,) and off-diagonal (m - 1,) of the tridiagonal matrix of a discrete measure (Golub & Welsch 1969)."""
    count = nodes.size
    basis = np.zeros((count, count))
    alphas, betas = np.zeros(count), np.zeros(count)
    q = np.sqrt(weights / weights.sum())
    for j in range(count):
        basis[j] = q
        w = nodes * q
        alphas[j] = w @ q
        for _ in range(2):
            w -= basis[: j + 1].T @ (basis[: j + 1] @ w)
        betas[j] = np.linalg.norm(w)
        if betas[j] <= 1e-13 * np.abs(nodes).max():
            return alphas[: j + 1], betas[:j]
        q = w / betas[j]
    return alphas, betas[:-1]


def gauss_rule(alphas: Floats, betas: Floats) -> tuple[Floats, Floats]:
    """Nodes (m,) ascending and eigenvectors (m, m), in columns, of the tridiagonal matrix of (m,) and (m - 1,) entries.

    By relatively robust representations, which give up (LAPACK, info 22) on some matrices with clusters, those of runs
    without a basis, in scipy 1.12 and its OpenBLAS; then by implicit QL.
    """
    try:
        nodes, vectors = scipy.linalg.eigh_tridiagonal(alphas, betas)
    except np.linalg.LinAlgError:
        nodes, vectors = scipy.linalg.eigh_tridiagonal(alphas, betas, lapack_driver="stev")
    return np.asarray(nodes), np.asarray(vectors)


def averaged(nodes: Floats, weights: Floats, *, rules: int = _RULES) -> tuple[Floats, Floats]:
    """The mean of a Gauss rule (m,) and of those with m - 1, m - 2, ... nodes for the same measure; same total mass."""
    live = weights > 0
    rules = min(rules, int(live.sum()) // 4)
    if rules < 2:
        return nodes, weights
    alphas, betas = jacobi(nodes[live], weights[live])
    found = [(nodes, weights / rules)]
    for size in range(alphas.size - 1, alphas.size - rules, -1):
        if size < 1:
            return nodes, weights
        values, vectors = gauss_rule(alphas[:size], betas[: size - 1])
        found.append((values, vectors[0] ** 2 * (weights.sum() / rules)))
    return np.concatenate([v for v, _ in found]), np.concatenate([w for _, w in found])


def with_moments(nodes: Floats, weights: Floats, first: float, second: float) -> Floats:
    """Weights of the same total mass whose first two moments are those given, per unit of mass.

    The first is reached where the nodes with a weight lie on both sides of it: nodes that a tilt would make negative
    are emptied, and the others tilted again. The second is left alone where it would need a negative weight.
    """
    adjusted = weights.copy()
    live = weights > 0
    while True:
        x, total = nodes[live], float(adjusted[live].sum())
        w = adjusted[live] / total
        mean = float(w @ x)
        z = x - mean
        variance = float(w @ z**2)
        if variance <= 1e-14 * float(np.abs(x).max()) ** 2:
            return adjusted
        factor = 1 + (first - mean) / variance * z
        if factor.min() >= 0:
            break
        step = 1 / (1 - factor.min())
        factor = 1 + step * (factor - 1)
        adjusted[live] *= np.where(factor <= 1e-14, 0, factor)
        adjusted *= total / adjusted.sum()
        live = adjusted > 0
    y = z**2 - variance - float(w @ z**3) / variance * z
    square = float(w @ y**2)
    if square > 1e-14 * float(w @ z**4):
        both = factor + (second - float((w * factor) @ x**2)) / square * y
        factor = both if (both >= 0).all() else factor
    adjusted[live] *= factor
    return adjusted
