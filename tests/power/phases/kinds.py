"""Matrices whose phase is known because they were made that way: the truth that the rule of the phases is held against.

A kind is a recipe (rows, columns, rng) -> matrix. ``DESIGN`` are the kinds that thresholds were chosen on,
``KEPT_ASIDE`` those that were looked at when the rule was done, and again when it changed; ``FRESH`` were written down
after that and looked at once. Debatable kinds could be called by a neighbouring name with
equal right (entries with five finite moments; an exponent exactly at the border); they are counted apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.theory import Phase

__all__ = ["DESIGN", "FRESH", "KEPT_ASIDE", "Kind", "eigenvalues"]

Matrix = npt.NDArray[np.float64]
Recipe = Callable[[int, int, np.random.Generator], Matrix]


@dataclass(frozen=True)
class Kind:
    """make: (rows, columns, rng) -> matrix with rows <= columns, or its eigenvalues, ascending (one-dimensional)."""

    name: str
    phase: Phase
    make: Recipe
    debatable: bool = False


def eigenvalues(kind: Kind, shape: tuple[int, int], seed: int) -> Matrix:
    """(rows,) ascending eigenvalues of W W^T / columns for one matrix of the kind."""
    made = kind.make(*shape, np.random.default_rng([seed, *shape, *kind.name.encode()]))
    if made.ndim == 1:
        return made
    return np.asarray(np.linalg.svd(made, compute_uv=False)[::-1] ** 2 / shape[1])


def noise(p: int, n: int, rng: np.random.Generator) -> Matrix:
    return rng.standard_normal((p, n))


def planted(p: int, n: int, rng: np.random.Generator, strengths: npt.ArrayLike) -> Matrix:
    """Noise and one random direction for each strength theta: population eigenvalues 1 + theta."""
    theta = np.atleast_1d(np.asarray(strengths, dtype=np.float64))
    left, _ = np.linalg.qr(rng.standard_normal((p, theta.size)))
    right, _ = np.linalg.qr(rng.standard_normal((n, theta.size)))
    made: Matrix = noise(p, n, rng) + (left * np.sqrt(theta * n)) @ right.T
    return made


def transition(p: int, n: int) -> float:
    """Strength from which a direction shows (Baik, Ben Arous & Peche 2005)."""
    return float(np.sqrt(p / n))


def population(spread: Callable[[int, np.random.Generator], Matrix]) -> Recipe:
    """Noise whose rows, in a random basis, have these variances."""

    def make(p: int, n: int, rng: np.random.Generator) -> Matrix:
        basis, _ = np.linalg.qr(rng.standard_normal((p, p)))
        return np.asarray((basis * np.sqrt(spread(p, rng))) @ noise(p, n, rng))

    return make


def pareto(alpha: float) -> Callable[[int, np.random.Generator], Matrix]:
    return lambda p, rng: (1 - rng.random(p)) ** (-1 / (alpha - 1))


def symmetric_pareto(index: float) -> Recipe:
    """Entries with P(|w| > t) = t**-index."""
    return lambda p, n, rng: (rng.pareto(index, (p, n)) + 1) * rng.choice([-1.0, 1.0], (p, n))


def repulsion(kappa: float) -> Recipe:
    return lambda p, n, rng: beta_laguerre(p, p / n, kappa, rng=rng)


def inverse_repulsion(alpha: float) -> Recipe:
    """Reciprocals of HTMP values whose law has the tail exponent alpha; square shapes have none: 0.9 of the rows."""

    def make(p: int, n: int, rng: np.random.Generator) -> Matrix:
        gamma = min(p / n, 0.5)
        return np.sort(1 / beta_laguerre(p, gamma, 2 * gamma * (alpha - 1) / (1 - gamma), rng=rng))

    return make


def low_rank(share: float, rest: float) -> Recipe:
    """A product of two thin matrices, and noise."""

    def make(p: int, n: int, rng: np.random.Generator) -> Matrix:
        rank = max(round(share * p), 1)
        made: Matrix = noise(p, rank, rng) @ noise(rank, n, rng) / np.sqrt(rank) + rest * noise(p, n, rng)
        return made

    return make


def dead_rows(share: float, size: float) -> Recipe:
    def make(p: int, n: int, rng: np.random.Generator) -> Matrix:
        matrix = noise(p, n, rng)
        matrix[: round(share * p)] *= size
        return matrix

    return make


def uniform(p: int, n: int, rng: np.random.Generator) -> Matrix:
    return rng.uniform(-1, 1, (p, n))


def truncated(p: int, n: int, rng: np.random.Generator) -> Matrix:
    return np.clip(noise(p, n, rng), -2, 2)


def signs(p: int, n: int, rng: np.random.Generator) -> Matrix:
    return rng.choice([-1.0, 1.0], (p, n))


def sparse(p: int, n: int, rng: np.random.Generator) -> Matrix:
    return noise(p, n, rng) * (rng.random((p, n)) < 0.1)


def shifted(p: int, n: int, rng: np.random.Generator) -> Matrix:
    return noise(p, n, rng) + 0.3


def offset(p: int, n: int, rng: np.random.Generator) -> Matrix:
    """Half a unit on a quarter of the columns."""
    return noise(p, n, rng) + np.where(np.arange(n) < n / 4, 0.5, 0.0)


def neighbours(share: float) -> Recipe:
    """Columns that resemble their neighbours: correlation ``share`` to the power of their distance."""

    def make(p: int, n: int, rng: np.random.Generator) -> Matrix:
        made = noise(p, n, rng)
        for column in range(1, n):
            made[:, column] = share * made[:, column - 1] + np.sqrt(1 - share**2) * made[:, column]
        return made

    return make


def two_sizes(p: int, n: int, rng: np.random.Generator) -> Matrix:
    matrix = noise(p, n, rng)
    matrix[: p // 2] *= np.sqrt(3)
    return matrix


def strengths(low: float, high: float, count: Callable[[int], int]) -> Recipe:
    """Directions between ``low`` and ``high`` times the transition, spread evenly on a log scale."""

    def make(p: int, n: int, rng: np.random.Generator) -> Matrix:
        return planted(p, n, rng, transition(p, n) * np.geomspace(low, high, count(p)))

    return make


R, B, S = Phase.RANDOM_LIKE, Phase.BLEEDING_OUT, Phase.BULK_AND_SPIKES
D, H, C = Phase.BULK_DECAY, Phase.HEAVY_TAILED, Phase.RANK_COLLAPSE

DESIGN = (
    Kind("gaussian", R, noise),
    Kind("uniform (nn.Linear)", R, uniform),
    Kind("Student t5 entries", R, lambda p, n, r: r.standard_t(5, (p, n)), debatable=True),
    Kind("one direction at 2.2", B, lambda p, n, r: planted(p, n, r, 2.2 * transition(p, n))),
    Kind("three directions, 1.8 to 2.3", B, strengths(1.8, 2.3, lambda p: 3)),
    Kind("one direction at 8", S, lambda p, n, r: planted(p, n, r, 8 * transition(p, n))),
    Kind("nine directions, 3 to 20", S, strengths(3, 20, lambda p: 9)),
    Kind("a fifth of the rank, 4 to 8", S, strengths(4, 8, lambda p: p // 5)),
    Kind("repulsion 20", D, repulsion(20.0)),
    Kind("repulsion 6", D, repulsion(6.0)),
    Kind("lognormal population, 0.5", D, population(lambda p, r: r.lognormal(0, 0.5, p))),
    Kind("Gamma population, shape 2", D, population(lambda p, r: r.gamma(2, 0.5, p))),
    Kind("Pareto population, 2", H, population(pareto(2.0))),
    Kind("Pareto population, 2.5", H, population(pareto(2.5))),
    Kind("Pareto population, 3", H, population(pareto(3.0))),
    Kind("Pareto population, 4", H, population(pareto(4.0)), debatable=True),
    Kind("entries of index 1.5", H, symmetric_pareto(1.5)),
    Kind("entries of index 3", H, symmetric_pareto(3.0), debatable=True),
    Kind("inverse repulsion, 2.5", H, inverse_repulsion(2.5)),
    Kind("rank 0.5, exact", C, low_rank(0.5, 0.0)),
    Kind("rank 0.7, noise 1e-4", C, low_rank(0.7, 1e-4)),
    Kind("30 % of the rows at 1e-3", C, dead_rows(0.3, 1e-3)),
)

KEPT_ASIDE = (
    Kind("signs", R, signs),
    Kind("truncated normal", R, truncated),
    Kind("one entry in ten", R, sparse, debatable=True),
    Kind("two directions at 2.2", B, strengths(2.2, 2.2, lambda p: 2)),
    Kind("five directions, 1.8 to 2.3", B, strengths(1.8, 2.3, lambda p: 5)),
    Kind("a mean of 0.3", S, shifted),
    Kind("twenty directions at 5 to 10", S, strengths(5, 10, lambda p: 20)),
    Kind("repulsion 12", D, repulsion(12.0)),
    Kind("uniform population", D, population(lambda p, r: r.uniform(0.1, 2, p))),
    Kind("product of two noises", D, lambda p, n, r: noise(p, p, r) @ noise(p, n, r) / np.sqrt(p)),
    Kind("ranks to the power -1.5", H, population(lambda p, r: np.arange(1.0, p + 1) ** -1.5)),
    Kind("entries of index 1.2", H, symmetric_pareto(1.2)),
    Kind("inverse repulsion, 2", H, inverse_repulsion(2.0)),
    Kind("log-uniform directions", H, strengths(1, 1e3, lambda p: p // 3), debatable=True),
    Kind("rank 0.8, noise 1e-3", C, low_rank(0.8, 1e-3)),
    Kind("a sixth of the rows zero", C, dead_rows(1 / 6, 0.0)),
)

FRESH = (
    Kind("Laplace entries", R, lambda p, n, r: r.laplace(size=(p, n))),
    Kind("half precision", R, lambda p, n, r: noise(p, n, r).astype(np.float16).astype(np.float64)),
    Kind("one direction at 2.4", B, lambda p, n, r: planted(p, n, r, 2.4 * transition(p, n))),
    Kind("two directions at 2 and 2.4", B, strengths(2.0, 2.4, lambda p: 2)),
    Kind("four directions, 4 to 40", S, strengths(4, 40, lambda p: 4)),
    Kind("a tenth of the rank, 6 to 12", S, strengths(6, 12, lambda p: p // 10)),
    Kind("half a unit on a quarter of the columns", S, offset),
    Kind("repulsion 9", D, repulsion(9.0)),
    Kind("triangular population", D, population(lambda p, r: r.triangular(0.05, 0.5, 2.5, p))),
    Kind("neighbouring columns, 0.5", D, neighbours(0.5)),
    Kind("rows of variance 1 and 3", D, two_sizes),
    Kind("Pareto population, 2.2", H, population(pareto(2.2))),
    Kind("Pareto population, 2.8", H, population(pareto(2.8))),
    Kind("Cauchy entries", H, lambda p, n, r: r.standard_cauchy((p, n))),
    Kind("ranks to the power -1.2", H, population(lambda p, r: np.arange(1.0, p + 1) ** -1.2)),
    Kind("inverse repulsion, 2.2", H, inverse_repulsion(2.2)),
    Kind("Student t3 entries", H, lambda p, n, r: r.standard_t(3, (p, n)), debatable=True),
    Kind("rank 0.6, noise 3e-3", C, low_rank(0.6, 3e-3)),
    Kind("a quarter of the rows at 1e-2", C, dead_rows(0.25, 1e-2)),
)
