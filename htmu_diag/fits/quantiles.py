"""Quantiles of ordered values: `numpy.quantile` looks at its arguments for longer than it computes."""

from __future__ import annotations

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["quantile_of_sorted", "quantiles_of_sorted"]


def quantile_of_sorted(ascending: Floats, q: float) -> float:
    """`numpy.quantile` of ascending values (n,), n > 0, to the last bit: linear between neighbours (Hyndman & Fan 1996,
    definition 7).

    >>> import numpy as np
    >>> quantile_of_sorted(np.array([1.0, 2.0, 4.0]), 0.75)
    3.0
    """
    place = (ascending.size - 1) * q
    below = int(place)
    share = place - below
    low, high = float(ascending[below]), float(ascending[min(below + 1, ascending.size - 1)])
    rise = high - low
    return high - rise * (1 - share) if share >= 0.5 else low + rise * share


def quantiles_of_sorted(ascending: Floats, q: float) -> Floats:
    """The same of each row, (rows,) of (rows, n)."""
    place = (ascending.shape[1] - 1) * q
    below = int(place)
    share = place - below
    low, high = ascending[:, below], ascending[:, min(below + 1, ascending.shape[1] - 1)]
    return np.asarray(high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share)
