"""Quantiles of ordered values: `numpy.quantile` looks at its arguments for longer than it computes."""

from __future__ import annotations

from typing import TypeVar

from htmu_diag.spectrum import Floats

__all__ = ["quantile_of_sorted", "quantiles_of_sorted"]

Numbers = TypeVar("Numbers", float, Floats)


def quantile_of_sorted(ascending: Floats, q: float) -> float:
    """`numpy.quantile` of ascending values (n,), n > 0, to the last bit: linear between neighbours (Hyndman & Fan 1996,
    definition 7).

    >>> import numpy as np
    >>> quantile_of_sorted(np.array([1.0, 2.0, 4.0]), 0.75)
    3.0
    """
    below, above, share = _place(ascending.size, q)
    return _between(float(ascending[below]), float(ascending[above]), share)


def quantiles_of_sorted(ascending: Floats, q: float) -> Floats:
    """The same of each row, (rows,) of (rows, n)."""
    below, above, share = _place(ascending.shape[1], q)
    return _between(ascending[:, below], ascending[:, above], share)


def _place(n: int, q: float) -> tuple[int, int, float]:
    """The neighbours among n values, and how far from the first to the second."""
    place = (n - 1) * q
    below = int(place)
    return below, min(below + 1, n - 1), place - below


def _between(low: Numbers, high: Numbers, share: float) -> Numbers:
    rise = high - low
    return high - rise * (1 - share) if share >= 0.5 else low + rise * share
