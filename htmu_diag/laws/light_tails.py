"""What a power law is compared with, above xmin: lognormal, exponential, stretched exponential.

Clauset, Shalizi & Newman 2009, table 2.1. Each is the named law, conditioned on exceeding xmin >= 0. Parameters are
those of the powerlaw package (mu, sigma; rate = its Lambda; beta).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy

from htmu_diag.laws.base import ContinuousLaw, exp_or_inf, numbers_only, require, variance
from htmu_diag.laws.exponential_integral import scaled_expint
from htmu_diag.spectrum import Floats

__all__ = ["Exponential", "Lognormal", "StretchedExponential"]


@dataclass(frozen=True)
class Lognormal(ContinuousLaw):
    """log x is normal with mean mu and standard deviation sigma > 0, given x > xmin >= 0."""

    mu: float
    sigma: float
    xmin: float = 0.0

    def __post_init__(self) -> None:
        numbers_only(self)
        require(math.isfinite(self.mu), "Lognormal", f"mu = {self.mu} is not finite", "pass the mean of log x")
        _check_positive("Lognormal", "sigma", self.sigma)
        _check_xmin("Lognormal", self.xmin)

    def support(self) -> tuple[float, float]:
        return self.xmin, math.inf

    def mean(self) -> float:
        return self._moment(1)

    def var(self) -> float:
        return variance(self._moment(2), self._moment(1))

    def _moment(self, order: int) -> float:
        shift = order * self.sigma
        log_ratio = float(scipy.special.log_ndtr(shift - self._start)) - self._log_mass
        return exp_or_inf(order * self.mu + 0.5 * shift**2 + log_ratio)

    @property
    def _start(self) -> float:
        return (math.log(self.xmin) - self.mu) / self.sigma if self.xmin > 0.0 else -math.inf

    @property
    def _log_mass(self) -> float:
        """log of the normal mass above xmin."""
        return float(scipy.special.log_ndtr(-self._start))

    def _logpdf(self, x: Floats) -> Floats:
        z = (np.log(x) - self.mu) / self.sigma
        return -0.5 * z**2 - np.log(x) - math.log(self.sigma * math.sqrt(2.0 * math.pi)) - self._log_mass

    def _cdf(self, x: Floats) -> Floats:
        return np.exp(self._logcdf(x))

    def _sf(self, x: Floats) -> Floats:
        return np.exp(self._logsf(x))

    def _logcdf(self, x: Floats) -> Floats:
        if self.xmin > 0.0:
            return np.log(-np.expm1(self._logsf(x)))
        return np.asarray(scipy.special.log_ndtr((np.log(x) - self.mu) / self.sigma))

    def _logsf(self, x: Floats) -> Floats:
        above: Floats = scipy.special.log_ndtr(-(np.log(x) - self.mu) / self.sigma)
        return np.minimum(above - self._log_mass, 0.0)

    def _ppf(self, q: Floats) -> Floats:
        if self.xmin > 0.0:
            return self._isf_log(np.log1p(-q))
        z: Floats = scipy.special.ndtri_exp(np.log(q))
        return np.exp(self.mu + self.sigma * z)

    def _isf(self, q: Floats) -> Floats:
        return self._isf_log(np.log(q))

    def _isf_log(self, log_q: Floats) -> Floats:
        z: Floats = scipy.special.ndtri_exp(log_q + self._log_mass)
        return np.exp(self.mu - self.sigma * z)


@dataclass(frozen=True)
class Exponential(ContinuousLaw):
    """Density rate exp(-rate (x - xmin)) above xmin >= 0; rate > 0."""

    rate: float
    xmin: float = 0.0

    def __post_init__(self) -> None:
        numbers_only(self)
        _check_positive("Exponential", "rate", self.rate)
        _check_xmin("Exponential", self.xmin)

    def support(self) -> tuple[float, float]:
        return self.xmin, math.inf

    def mean(self) -> float:
        return self.xmin + 1.0 / self.rate

    def var(self) -> float:
        return 1.0 / self.rate / self.rate

    def _logpdf(self, x: Floats) -> Floats:
        return math.log(self.rate) + self._logsf(x)

    def _cdf(self, x: Floats) -> Floats:
        return -np.expm1(self._logsf(x))

    def _sf(self, x: Floats) -> Floats:
        return np.exp(self._logsf(x))

    def _logsf(self, x: Floats) -> Floats:
        return -self.rate * (x - self.xmin)

    def _ppf(self, q: Floats) -> Floats:
        return self.xmin - np.log1p(-q) / self.rate

    def _isf(self, q: Floats) -> Floats:
        return self.xmin - np.log(q) / self.rate


@dataclass(frozen=True)
class StretchedExponential(ContinuousLaw):
    """Survival function exp((rate xmin)**beta - (rate x)**beta) above xmin >= 0 (Weibull); rate, beta > 0."""

    rate: float
    beta: float
    xmin: float = 0.0

    def __post_init__(self) -> None:
        numbers_only(self)
        _check_positive("StretchedExponential", "rate", self.rate)
        _check_positive("StretchedExponential", "beta", self.beta)
        _check_xmin("StretchedExponential", self.xmin)

    def support(self) -> tuple[float, float]:
        return self.xmin, math.inf

    def mean(self) -> float:
        return self._moment(1)

    def var(self) -> float:
        return variance(self._moment(2), self._moment(1))

    def _moment(self, order: int) -> float:
        """rate**-k exp(z) Gamma(1 + k/beta, z) with z = (rate xmin)**beta, by E_(-k/beta)."""
        power = order / self.beta
        if self.xmin == 0.0:
            return exp_or_inf(float(scipy.special.gammaln(1.0 + power)) - order * math.log(self.rate))
        z = math.pow(self.rate * self.xmin, self.beta)
        return float(math.prod([self.xmin] * order) * z * scaled_expint(-power, np.array([z]))[0])

    def _logpdf(self, x: Floats) -> Floats:
        log_rate = math.log(self.rate * self.beta) + (self.beta - 1.0) * np.log(self.rate * x)
        return log_rate + self._logsf(x)

    def _cdf(self, x: Floats) -> Floats:
        return -np.expm1(self._logsf(x))

    def _sf(self, x: Floats) -> Floats:
        return np.exp(self._logsf(x))

    def _logsf(self, x: Floats) -> Floats:
        """-z ((x/xmin)**beta - 1), without the cancellation that the two powers would have near xmin."""
        if self.xmin == 0.0:
            return np.asarray(-((self.rate * x) ** self.beta))
        z = math.pow(self.rate * self.xmin, self.beta)
        return -z * np.expm1(self.beta * np.log(x / self.xmin))

    def _ppf(self, q: Floats) -> Floats:
        return self._isf_log(np.log1p(-q))

    def _isf(self, q: Floats) -> Floats:
        return self._isf_log(np.log(q))

    def _isf_log(self, log_q: Floats) -> Floats:
        if self.xmin == 0.0:
            return np.asarray((-log_q) ** (1.0 / self.beta) / self.rate)
        z = math.pow(self.rate * self.xmin, self.beta)
        return self.xmin * np.exp(np.log1p(-log_q / z) / self.beta)


def _check_positive(law: str, name: str, value: float) -> None:
    require(0.0 < value < math.inf, law, f"{name} = {value} is not positive and finite", f"pass a positive {name}")


def _check_xmin(law: str, xmin: float) -> None:
    require(0.0 <= xmin < math.inf, law, f"xmin = {xmin} is negative or infinite", "pass the start of the tail")
