"""How far the bulk of pure noise lies from its own Marchenko-Pastur fit, and how far its largest value from the edge.

Eigenvalues repel each other, so their KS distance is of order log n / n, not 1/sqrt n: a table for independent samples
would call everything noise. Neither statistic depends on the scale of the matrix, so their null laws depend on the
shape alone: drawn once by ``benchmarks/bulk_null_table.py`` (Wishart matrices by their bidiagonal form, Dumitriu &
Edelman 2002, fitted as the data are), shipped, interpolated. p-values reach from 1 down to 1e-4.

n D - 0.41 log n has the same law at every n up to a few per cent of its spread, so the table serves sizes beyond its
last; the largest value, in the units of Johnstone (2001) and Ma (2012), tends to Tracy-Widom's law. The null of a bulk
beside k spikes is that of its own shape, (n - k) x (N - k): see ``spiked``.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from htmu_diag.fits.null_table import LEAST_P, NullTable, load_table
from htmu_diag.spectrum import Floats

__all__ = ["LEAST_P", "bulk_p_value", "edge_p_value", "edge_quantile", "edge_score", "ks_score"]

_GROWTH = 0.41  # of n D with log n, see above


def bulk_p_value(distance: float, n: float, gamma: float) -> float:
    """Share of noise bulks of n eigenvalues that lie at least ``distance`` from their fit; 1e-4 at least."""
    return max(_share("ks", ks_score(distance, n), n, gamma), LEAST_P)


def edge_p_value(largest: float, n: float, gamma: float) -> float:
    """Share of noise bulks whose largest value, in units of the fitted scale, reaches that far; 1e-4 at least."""
    return max(_share("edge", edge_score(largest, n, gamma), n, gamma), LEAST_P)


@lru_cache(maxsize=4096)
def edge_quantile(p: float, n: float, gamma: float) -> float:
    """What the largest of n noise eigenvalues, in units of the fitted scale, exceeds with probability p."""
    centre, width = _johnstone(n, gamma)
    return centre + width * _null("edge").quantile(p, _row("edge", n, gamma))


def ks_score(distance: float, n: float) -> float:
    """The KS distance in the units of the table."""
    return n * distance - _GROWTH * math.log(n)


def edge_score(largest: float, n: float, gamma: float) -> float:
    """The largest eigenvalue, over the variance of the entries, in the units of Tracy and Widom."""
    centre, width = _johnstone(n, gamma)
    return (largest - centre) / width


@lru_cache(maxsize=1024)
def _johnstone(n: float, gamma: float) -> tuple[float, float]:
    small, large = math.sqrt(n - 0.5), math.sqrt(n / gamma - 0.5)
    width = (small + large) * (1 / small + 1 / large) ** (1 / 3)
    return (small + large) ** 2 * gamma / n, width * gamma / n


def _share(statistic: str, score: float, n: float, gamma: float) -> float:
    return _null(statistic).share_above(score, _row(statistic, n, gamma))


@lru_cache(maxsize=1024)
def _row(statistic: str, n: float, gamma: float) -> Floats:
    return _null(statistic).row(math.log(n), math.sqrt(gamma))


@lru_cache(maxsize=2)
def _null(statistic: str) -> NullTable:
    file = load_table("bulk_null")
    return NullTable(np.log(file["sizes"]), np.sqrt(file["gammas"]), file["scores"], file[statistic])
