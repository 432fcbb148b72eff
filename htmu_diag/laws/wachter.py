"""Wachter's law: Marchenko-Pastur noise over a population that is itself an inverse Wishart matrix.

With r = gamma + spread - gamma spread the eigenvalues of S_1 S_2**-1, two independent noise covariances of aspect
ratios gamma and spread < 1, have density

    f(x) = (1 - spread) sqrt((b - x)(x - a)) / (2 pi x (gamma + spread x)),     a, b = ((1 -+ sqrt r)/(1 - spread))**2,

and mean 1/(1 - spread) (Wachter 1980; Bai & Silverstein 2010, section 4.4). spread -> 0 is Marchenko-Pastur. In the
angle x = (a + b)/2 - (b - a)/2 cos(theta) the distribution function is elementary, by partial fractions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from htmu_diag.laws.base import ContinuousLaw, numbers_only, require
from htmu_diag.spectrum import Floats

__all__ = ["Wachter"]

_LEAST = 1e-6  # of the spread: below it the partial fractions cancel


@dataclass(frozen=True)
class Wachter(ContinuousLaw):
    """gamma: rows over columns, in (0, 1]. spread: of the population, in [1e-6, 1). scale: mean, > 0.

    Raises InputError for other parameters.
    """

    gamma: float
    spread: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        require(0 < self.gamma <= 1, "Wachter", f"gamma = {self.gamma} is not in (0, 1]", "pass the smaller ratio")
        require(
            _LEAST <= self.spread < 1,
            "Wachter",
            f"spread = {self.spread} is not in [1e-6, 1)",
            "use MarchenkoPastur for a population without spread",
        )
        require(0 < self.scale < math.inf, "Wachter", f"scale = {self.scale} is not positive", "pass the law's mean")

    def support(self) -> tuple[float, float]:
        low, high = self._edges
        return low * self._unit, high * self._unit

    def mean(self) -> float:
        return self.scale

    def var(self) -> float:
        """scale**2 (gamma + spread - gamma spread)/(1 - spread): Marchenko-Pastur's at spread 0."""
        return self.scale * self.scale * self._r / (1 - self.spread)

    def _logpdf(self, x: Floats) -> Floats:
        y = x / self._unit
        low, high = self._edges
        root = 0.5 * (np.log(np.maximum(high - y, 0)) + np.log(np.maximum(y - low, 0)))
        bottom = 2 * math.pi * y * (self.gamma + self.spread * y) * self._unit
        return root + math.log1p(-self.spread) - np.log(bottom)

    def _cdf(self, x: Floats) -> Floats:
        return np.clip(self._mass(self._angle(x)), 0.0, 1.0)

    def _sf(self, x: Floats) -> Floats:
        return np.clip(1 - self._mass(self._angle(x)), 0.0, 1.0)

    @property
    def _r(self) -> float:
        return self.gamma + self.spread - self.gamma * self.spread

    @property
    def _unit(self) -> float:
        return self.scale * (1 - self.spread)

    @property
    def _edges(self) -> tuple[float, float]:
        root = math.sqrt(self._r)
        return ((1 - root) / (1 - self.spread)) ** 2, ((1 + root) / (1 - self.spread)) ** 2

    def _angle(self, x: Floats) -> Floats:
        low, high = self._edges
        share = np.clip((x / self._unit - low) / (high - low), 0, 1)
        return 2 * np.arctan2(np.sqrt(share), np.sqrt(1 - share))

    def _mass(self, theta: Floats) -> Floats:
        """1/(x (gamma + spread x)) = [1/x - 1/(x + gamma/spread)]/gamma, each term an integral over the angle."""
        parts = self._integral(theta, 0.0) - self._integral(theta, self.gamma / self.spread)
        return np.asarray((1 - self.spread) / (2 * math.pi * self.gamma) * parts)

    def _integral(self, theta: Floats, shift: float) -> Floats:
        """Of sqrt((b - x)(x - a))/(x + shift) from a on."""
        low, high = self._edges
        half = (high - low) / 2
        ratio = max((high + low + 2 * shift) / (high - low), 1.0)
        inner = np.arctan2(math.sqrt(ratio + 1) * np.sin(theta / 2), math.sqrt(ratio - 1) * np.cos(theta / 2))
        if ratio == 1.0:
            inner = np.full_like(theta, math.pi / 2)
        return np.asarray(half * (np.sin(theta) + ratio * theta - 2 * math.sqrt(ratio**2 - 1) * inner))
