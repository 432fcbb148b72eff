"""What one Lanczos run saw of the spectrum, and what of it is left when later runs have found more outliers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from htmu_diag.solvers.moments import Direction
from htmu_diag.solvers.outliers import Outliers
from htmu_diag.spectrum import Floats

__all__ = ["ProbeMeasure"]

_LEAST = 1e-9  # of its expected share: less than the rounding of what was taken out of it


@dataclass(frozen=True)
class ProbeMeasure:
    """What a probe saw besides the outliers known when it ended: nodes and weights of the rest of its unit mass.

    start: draws the direction v, (N,), again: no vector is kept for each run. products: spent.
    known: the number of outliers when it ended.
    doubt: what both moments may be off by where converged pairs were too heavy to be believed (`moments.py`).
    """

    values: Floats
    weights: Floats
    start: Callable[[], torch.Tensor]
    products: int
    known: int
    doubt: tuple[float, float] = (0.0, 0.0)

    def beside(self, outliers: Outliers) -> tuple[tuple[Floats, Floats], Direction]:
        """What is left of v beside all outliers, those found later included: a rule of mass 1, and its moments."""
        if len(outliers.values) == self.known:
            return self._completed(outliers, np.zeros(0)), self._direction(outliers, np.zeros(0), 0.0)
        start = self.start()
        later, eps = outliers.overlaps(start)[self.known :], float(torch.finfo(start.dtype).eps)
        return self._completed(outliers, later), self._direction(outliers, later, eps)

    def _direction(self, outliers: Outliers, later: Floats, eps: float) -> Direction:
        """The moments; of mass 0 where nothing is left. later: (x . v)^2 of the outliers found later."""
        left = float(self.weights.sum() - later.sum())
        share = min(1.0, left * outliers.size / max(outliers.size - len(outliers.values), 1))
        if share < _LEAST:
            return Direction((0.0, 0.0), share=0.0)
        theta = np.array(outliers.values)[self.known :]
        first, second = ((self.weights @ self.values**k - later @ theta**k) / left for k in (1, 2))
        errors = [error / left for error in self._errors(outliers, later, left, eps)]
        return Direction((float(first), float(second)), (errors[0], errors[1]), share)

    def _completed(self, outliers: Outliers, later: Floats) -> tuple[Floats, Floats]:
        """Nodes and weights without the outliers, of mass 1; none where nothing is left."""
        weights = self.weights.copy()
        for value, mass in zip(outliers.values[self.known :], later, strict=True):
            _take_nearest(self.values, weights, value, mass)
        left = float(weights.sum())
        return (self.values, weights / left) if left > 0 else (np.zeros(0), np.zeros(0))

    def _errors(self, outliers: Outliers, later: Floats, left: float, eps: float) -> tuple[float, float]:
        """What both moments, times ``left``, may be off by.

        With A x = lambda x + r and v = w + sum (x . v) x, taking (x . v)^2 lambda out of v . A v leaves w . A w and, to
        first order in the residuals r, 2 sum (x . v) w . r, where w . r is about |w| |r| / sqrt(N).
        """
        theta, residuals = (np.array(found)[self.known :] for found in (outliers.values, outliers.residuals))
        across = 2 * math.sqrt(left / outliers.size)
        first = across * math.sqrt(later @ residuals**2) + eps * float(later @ np.abs(theta))
        second = across * math.sqrt(later @ (theta * residuals) ** 2) + float(later @ (residuals**2 + eps * theta**2))
        return first + self.doubt[0], second + self.doubt[1]


def _take_nearest(values: Floats, weights: Floats, value: float, mass: float) -> None:
    """Remove ``mass`` from the nodes nearest to ``value``, in place: the cheapest way to move it (Wasserstein-1)."""
    for index in np.argsort(np.abs(values - value)):
        taken = min(mass, weights[index])
        weights[index] -= taken
        mass -= taken
        if mass <= 0:
            return
