"""The Gamma law: what HTMP becomes without repulsion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from htmu_diag.laws.base import ContinuousLaw, numbers_only, require
from htmu_diag.laws.log_gap import log_gamma
from htmu_diag.spectrum import Floats

__all__ = ["Gamma"]


@dataclass(frozen=True)
class Gamma(ContinuousLaw):
    """Density ~ x**(shape - 1) exp(-shape x/scale), with mean ``scale``; both positive and finite, else InputError."""

    shape: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        for name, value in (("shape", self.shape), ("scale", self.scale)):
            require(0.0 < value < math.inf, "Gamma", f"{name} = {value} is not positive", f"pass a {name} > 0")

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def mean(self) -> float:
        return self.scale

    def var(self) -> float:
        return self.scale / self.shape * self.scale

    def _logpdf(self, x: Floats) -> Floats:
        y = x * (self.shape / self.scale)
        log_y = np.log(x) + math.log(self.shape / self.scale)
        return self.shape * log_y - np.log(x) - y - log_gamma(self.shape)

    def _cdf(self, x: Floats) -> Floats:
        return np.asarray(scipy.special.gammainc(self.shape, x * (self.shape / self.scale)))

    def _sf(self, x: Floats) -> Floats:
        return np.asarray(scipy.special.gammaincc(self.shape, x * (self.shape / self.scale)))

    def _ppf(self, q: Floats) -> Floats:
        return np.asarray(scipy.special.gammaincinv(self.shape, q)) * (self.scale / self.shape)

    def _isf(self, q: Floats) -> Floats:
        return np.asarray(scipy.special.gammainccinv(self.shape, q)) * (self.scale / self.shape)
