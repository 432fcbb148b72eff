"""The inverse Gamma law: what inverse HTMP becomes without repulsion, and near zero."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from htmu_diag.laws.base import ContinuousLaw, numbers_only, require
from htmu_diag.spectrum import Floats

__all__ = ["InverseGamma"]


@dataclass(frozen=True)
class InverseGamma(ContinuousLaw):
    """The law of scale/G with G ~ Gamma(shape): density ~ exp(-scale/x) at zero, x**-(shape + 1) at infinity.

    shape, scale: positive and finite, else InputError.
    """

    shape: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        for name, value in (("shape", self.shape), ("scale", self.scale)):
            require(0.0 < value < math.inf, "InverseGamma", f"{name} = {value} is not positive", f"pass a {name} > 0")

    @property
    def tail_exponent(self) -> float:
        """shape + 1 in f ~ x**-(shape + 1)."""
        return self.shape + 1.0

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def mean(self) -> float:
        return self.scale / (self.shape - 1.0) if self.shape > 1.0 else math.inf

    def var(self) -> float:
        if self.shape <= 2.0:
            return math.inf
        return (self.scale / (self.shape - 1.0)) * (self.scale / (self.shape - 1.0)) / (self.shape - 2.0)

    def _logpdf(self, x: Floats) -> Floats:
        norm = self.shape * math.log(self.scale) - float(scipy.special.gammaln(self.shape))
        return norm - (self.shape + 1.0) * np.log(x) - self.scale / x

    def _cdf(self, x: Floats) -> Floats:
        return np.asarray(scipy.special.gammaincc(self.shape, self.scale / x))

    def _sf(self, x: Floats) -> Floats:
        return np.asarray(scipy.special.gammainc(self.shape, self.scale / x))

    def _ppf(self, q: Floats) -> Floats:
        return self.scale / np.asarray(scipy.special.gammainccinv(self.shape, q))

    def _isf(self, q: Floats) -> Floats:
        return self.scale / np.asarray(scipy.special.gammaincinv(self.shape, q))
