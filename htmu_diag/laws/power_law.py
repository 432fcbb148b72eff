"""Power laws above xmin, pure and with an exponential cutoff (Clauset, Shalizi & Newman 2009, table 2.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from htmu_diag.laws.base import ContinuousLaw, numbers_only, require, variance
from htmu_diag.laws.exponential_integral import scaled_expint
from htmu_diag.spectrum import Floats

__all__ = ["PowerLaw", "TruncatedPowerLaw"]


@dataclass(frozen=True)
class PowerLaw(ContinuousLaw):
    """Density (alpha - 1)/xmin (x/xmin)**-alpha above xmin > 0; alpha > 1."""

    alpha: float
    xmin: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        require(self.alpha > 1.0, "PowerLaw", f"alpha = {self.alpha} is not above 1", "no such density has mass 1")
        _check_xmin("PowerLaw", self.xmin)

    @property
    def tail_exponent(self) -> float:
        """alpha in f ~ x**-alpha."""
        return self.alpha

    def support(self) -> tuple[float, float]:
        return self.xmin, math.inf

    def mean(self) -> float:
        return self.xmin * (self.alpha - 1.0) / (self.alpha - 2.0) if self.alpha > 2.0 else math.inf

    def var(self) -> float:
        if self.alpha <= 3.0:
            return math.inf
        return self.xmin * self.xmin * (self.alpha - 1.0) / ((self.alpha - 3.0) * (self.alpha - 2.0) ** 2)

    def _logpdf(self, x: Floats) -> Floats:
        return math.log((self.alpha - 1.0) / self.xmin) - self.alpha * np.log(x / self.xmin)

    def _cdf(self, x: Floats) -> Floats:
        return -np.expm1(self._logsf(x))

    def _sf(self, x: Floats) -> Floats:
        return np.exp(self._logsf(x))

    def _logsf(self, x: Floats) -> Floats:
        return (1.0 - self.alpha) * np.log(x / self.xmin)

    def _ppf(self, q: Floats) -> Floats:
        return self.xmin * np.exp(np.log1p(-q) / (1.0 - self.alpha))

    def _isf(self, q: Floats) -> Floats:
        return self.xmin * np.exp(np.log(q) / (1.0 - self.alpha))


@dataclass(frozen=True)
class TruncatedPowerLaw(ContinuousLaw):
    """Density proportional to x**-alpha exp(-rate x) above xmin > 0; any real alpha, rate > 0."""

    alpha: float
    rate: float
    xmin: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        name = "TruncatedPowerLaw"
        require(math.isfinite(self.alpha), name, f"alpha = {self.alpha} is not finite", "pass a real exponent")
        require(0.0 < self.rate < math.inf, name, f"rate = {self.rate} is not positive", "use PowerLaw for no cutoff")
        _check_xmin(name, self.xmin)

    def support(self) -> tuple[float, float]:
        return self.xmin, math.inf

    def mean(self) -> float:
        return self._moment(1)

    def var(self) -> float:
        return variance(self._moment(2), self._moment(1))

    def _moment(self, order: int) -> float:
        return math.prod([self.xmin] * order) * math.exp(self._log_integral(self.alpha - order) - self._log_norm)

    def _log_integral(self, p: float) -> float:
        """log of exp(z) E_p(z) at z = rate xmin."""
        return math.log(scaled_expint(p, np.array([self.rate * self.xmin]))[0])

    @cached_property
    def _log_norm(self) -> float:
        return self._log_integral(self.alpha)

    def _logpdf(self, x: Floats) -> Floats:
        norm = math.log(self.xmin) + self._log_norm
        return -self.alpha * np.log(x / self.xmin) - self.rate * (x - self.xmin) - norm

    def _cdf(self, x: Floats) -> Floats:
        return -np.expm1(self._logsf(x))

    def _sf(self, x: Floats) -> Floats:
        return np.exp(self._logsf(x))

    def _logsf(self, x: Floats) -> Floats:
        """u**(1 - alpha) E_alpha(z u)/E_alpha(z) with u = x/xmin."""
        power = (1.0 - self.alpha) * np.log(x / self.xmin) - self.rate * (x - self.xmin)
        integral = np.log(scaled_expint(self.alpha, self.rate * x))
        return np.minimum(power + integral - self._log_norm, 0.0)


def _check_xmin(law: str, xmin: float) -> None:
    require(0.0 < xmin < math.inf, law, f"xmin = {xmin} is not positive and finite", "pass the start of the tail")
