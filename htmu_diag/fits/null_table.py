"""Null laws of a statistic that depends on the shape of a matrix alone, tabulated by simulation and interpolated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from htmu_diag.fits.normal_scores import score_above, share_above
from htmu_diag.spectrum import Floats

__all__ = ["LEAST_P", "NullTable", "is_least", "load_table", "place"]

LEAST_P = 1e-4  # where the tables end


def is_least(p: float) -> bool:
    """Whether a p-value is the least that tables give, so that it is said to be below it."""
    return p <= 1.1 * LEAST_P


@dataclass(frozen=True)
class NullTable:
    """Upper quantiles of a statistic over a grid of two coordinates.

    first: (a,), second: (b,) ascending coordinates; scores: (p,) normal scores of the probabilities, ascending;
    quantiles: (a, b, p), ascending along the last axis. Between entries: linear in both coordinates and in the score;
    outside: the nearest entry. Probabilities beyond the table's ends are its ends.
    """

    first: Floats
    second: Floats
    scores: Floats
    quantiles: Floats

    def share_above(self, statistic: float, row: Floats) -> float:
        """Share of the null law at or above the statistic, by the quantiles at its place."""
        if math.isnan(statistic):
            return math.nan
        return share_above(float(np.interp(statistic, row, self.scores)))

    def quantile(self, p: float, row: Floats) -> float:
        """The value that the statistic exceeds with probability p."""
        return float(np.interp(score_above(p), self.scores, row))

    def row(self, first: float, second: float) -> Floats:
        """(p,) quantiles at one place."""
        i, s = place(self.first, first)
        j, t = place(self.second, second)
        low = (1 - t) * self.quantiles[i, j] + t * self.quantiles[i, j + 1]
        high = (1 - t) * self.quantiles[i + 1, j] + t * self.quantiles[i + 1, j + 1]
        return np.asarray((1 - s) * low + s * high)


def place(grid: Floats, x: float) -> tuple[int, float]:
    """The interval of x and how far along it x lies, the ends for what lies outside."""
    i = min(max(int(np.searchsorted(grid, x)) - 1, 0), grid.size - 2)
    return i, min(max((x - grid[i]) / (grid[i + 1] - grid[i]), 0.0), 1.0)


@lru_cache(maxsize=8)
def load_table(name: str) -> dict[str, Floats]:
    """The arrays of a file in ``fits/tables``, made by a script in ``benchmarks``."""
    with np.load(Path(__file__).parent / "tables" / f"{name}.npz", allow_pickle=False) as data:
        return dict(data)
