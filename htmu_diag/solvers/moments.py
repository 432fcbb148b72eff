"""The first two moments of what is left beside the outliers, pooled from every direction that says something of them.

A direction v uniform on the complement of the outliers gives v . A v and |A v|^2, whose means are the two moments. The
single products are such directions; a Lanczos run is one only as far as

- the outliers found after it are taken out of its moments too, sum (x . v)^2 lambda and lambda^2, which errs by the
  residuals of the pairs and by rounding;
- it did not choose what is an outlier: pairs whose weight was too large to be believed stay with the run that saw them
  so large;
- something is left of it: where a null space or a cluster was seen as one vector and taken out, nearly nothing is.

So each direction weighs by the inverse of its variance, s^2 + e^2, and by its share. The standard error is from the
scatter of the same directions with the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["Direction", "pooled"]


@dataclass(frozen=True)
class Direction:
    """What one direction says. moments: v . A v and |A v|^2. errors: of both, besides chance. share: in [0, 1]."""

    moments: tuple[float, float]
    errors: tuple[float, float] = (0.0, 0.0)
    share: float = 1.0


def pooled(directions: Sequence[Direction]) -> tuple[tuple[float, float], float]:
    """Both moments, and the standard error of the first: NaN for fewer than two directions."""
    shares = np.array([direction.share for direction in directions])
    first, second = (
        _mean([d.moments[k] for d in directions], np.array([d.errors[k] for d in directions]), shares) for k in (0, 1)
    )
    return (first[0], second[0]), first[1]


def _mean(samples: Sequence[float], errors: Floats, shares: Floats) -> tuple[float, float]:
    values = np.array(samples)
    clean = values[errors == 0] if (errors == 0).sum() > 1 else values
    spread = float(np.var(clean, ddof=1)) if clean.size > 1 else 0.0
    weights = shares * spread / (spread + errors**2) if spread > 0 else shares
    total, square = float(weights.sum()), float(weights @ weights)
    mean = float(weights @ values) / total
    if total**2 <= square * (1 + 1e-9):
        return mean, math.nan
    variance = float(weights @ (values - mean) ** 2) / (total - square / total)
    return mean, math.sqrt(variance * square) / total
