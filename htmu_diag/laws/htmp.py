"""The high-temperature Marchenko-Pastur law and its reciprocal.

Hodgkinson, Wang & Mahoney, "Models of Heavy-Tailed Mechanistic Universality" (ICML 2025): eigenvalues of a
feature matrix whose eigenvectors are structured repel each other less, by prod |l_i - l_j|**(kappa/N) instead of
prod |l_i - l_j|. With
c = kappa/2, a = (kappa/2)(1/gamma - 1) - 1 and y = x kappa / (2 gamma scale) the limit is

    f(x) = kappa/(2 gamma scale) y**a e**-y / (Gamma(c+1) Gamma(a+c+1) |U(c, -a, y e**(-i pi))|**2),        x > 0,

the spectral measure of the associated Laguerre polynomials (Ismail, Letessier & Valent 1988; Trinh & Trinh 2021).
It has mean ``scale``; kappa -> infinity is Marchenko-Pastur, kappa -> 0 at fixed a is Gamma(a + 1). The numbers come
from ``riccati``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from htmu_diag.laws.base import ContinuousLaw, numbers_only, require
from htmu_diag.laws.htmp_lattice import Row
from htmu_diag.laws.htmp_table import Table, table
from htmu_diag.spectrum import Floats

__all__ = ["HTMP", "LARGEST_KAPPA", "InverseHTMP"]

# Beyond it the law is evaluated at this kappa, where it differs from Marchenko-Pastur by O(1/kappa) = 1e-6, below what
# 10**9 eigenvalues could show; the table's own error grows like 1e-16 kappa and reaches 1e-10 there.
LARGEST_KAPPA = 1e6
# The ends of what was tried: below them rounding takes more than the last eight digits of the table.
_LEAST_GAMMA, _LEAST_KAPPA = 1e-8, 1e-12


@dataclass(frozen=True)
class HTMP(ContinuousLaw):
    """High-temperature Marchenko-Pastur law with mean ``scale``.

    gamma: aspect ratio of the matrix, the smaller side over the larger, in [1e-8, 1].
    kappa: eigenvalue repulsion, at least 1e-12. Beyond 1e6 (inf included) the law at 1e6 is taken: continuous in kappa.
    scale: mean of the law, > 0.

    The first call at a new (gamma, kappa) builds a table in 1 to 10 ms, shared by all scales; log f then has a relative
    error of 1e-12 or so, from x = 0 into tails of any depth. Raises InputError for parameters outside these ranges.
    """

    gamma: float
    kappa: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        _check("HTMP", self.gamma, self.kappa, self.scale)

    @classmethod
    def from_row(cls, gamma: float, kappa: float, scale: float, row: Row) -> HTMP:
        """The same law, evaluated from a row of ``htmp_lattice`` (log f to 1e-5 instead of 1e-12)."""
        _check("HTMP", gamma, kappa, scale)
        law = cls.__new__(cls)  # the parameters are numbers
        law.__dict__.update(gamma=gamma, kappa=kappa, scale=scale, _table=row, _shift=-math.log(scale))
        return law

    def __getstate__(self) -> dict[str, float]:
        """The parameters without the tables."""
        return {"gamma": self.gamma, "kappa": self.kappa, "scale": self.scale}

    @property
    def lower_tail_exponent(self) -> float:
        """a in f ~ x**a as x -> 0; at gamma = 1, a = -1 with a factor 1/log(x)**2."""
        return _exponent(self.gamma, self.kappa)

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def mean(self) -> float:
        return self.scale

    def var(self) -> float:
        """scale**2 (gamma + 2 gamma/kappa): the first off-diagonal entry of the Jacobi matrix, squared."""
        return self.scale * self.scale * self.gamma * (1.0 + 2.0 / self.kappa)

    def log_slopes(self, x: Floats) -> Floats:
        """(3, n): log of x f(x) and its first two derivatives with respect to log x, at positive finite x (n,)."""
        return self._table.log_g_slopes(np.log(x) + self._shift)

    def log_tails(self, x: Floats) -> tuple[Floats, Floats]:
        """(log F, log(1 - F)) at positive finite x (n,), at the cost of one of them."""
        return self._table.log_tails(np.log(x) + self._shift)

    def _logpdf(self, x: Floats) -> Floats:
        log_x = np.log(x)
        return self._table.log_g(log_x + self._shift) - log_x

    def _cdf(self, x: Floats) -> Floats:
        return np.exp(self._logcdf(x))

    def _sf(self, x: Floats) -> Floats:
        return np.exp(self._logsf(x))

    def _logcdf(self, x: Floats) -> Floats:
        return self._table.log_tails(np.log(x) + self._shift)[0]

    def _logsf(self, x: Floats) -> Floats:
        return self._table.log_tails(np.log(x) + self._shift)[1]

    def _ppf(self, q: Floats) -> Floats:
        return np.exp(self._table.quantile(np.log(q), np.log1p(-q)) - self._shift)

    def _isf(self, q: Floats) -> Floats:
        return np.exp(self._table.quantile(np.log1p(-q), np.log(q)) - self._shift)

    @cached_property
    def _table(self) -> Table | Row:
        return _unit_table(self.gamma, self.kappa)

    @cached_property
    def _shift(self) -> float:
        """log(y/x)."""
        return _log_unit(self.gamma, self.kappa) - math.log(self.scale)


@dataclass(frozen=True)
class InverseHTMP(ContinuousLaw):
    """The law of scale/X with X ~ HTMP(gamma, kappa, 1): a power law x**-(a+2) above, for feature kernels (NTK).

    Parameters and errors as for HTMP. ``scale`` is not the mean, which is scale / (1 - gamma - 2 gamma/kappa) or inf.
    """

    gamma: float
    kappa: float
    scale: float = 1.0

    def __post_init__(self) -> None:
        numbers_only(self)
        _check("InverseHTMP", self.gamma, self.kappa, self.scale)

    @classmethod
    def from_row(cls, gamma: float, kappa: float, scale: float, row: Row) -> InverseHTMP:
        """The same law, evaluated from a row of ``htmp_lattice`` (log f to 1e-5 instead of 1e-12)."""
        _check("InverseHTMP", gamma, kappa, scale)
        law = cls.__new__(cls)  # the parameters are numbers
        law.__dict__.update(gamma=gamma, kappa=kappa, scale=scale, _table=row, _shift=math.log(scale))
        return law

    def __getstate__(self) -> dict[str, float]:
        """The parameters without the tables."""
        return {"gamma": self.gamma, "kappa": self.kappa, "scale": self.scale}

    @property
    def tail_exponent(self) -> float:
        """alpha = 1 + kappa (1 - gamma)/(2 gamma) in f ~ x**-alpha as x -> infinity."""
        return 2.0 + _exponent(self.gamma, self.kappa)

    def support(self) -> tuple[float, float]:
        return 0.0, math.inf

    def mean(self) -> float:
        """The first negative moment of HTMP, (a+c+1)/a in units of scale for a > 0."""
        a, unit = self._a_and_unit
        return unit / a if a > 0.0 else math.inf

    def var(self) -> float:
        """From the expansion of the Stieltjes transform at 0: E y**-2 = (a + c)/(a**2 (a - 1)) for a > 1."""
        a, unit = self._a_and_unit
        c = 0.5 * min(self.kappa, LARGEST_KAPPA)
        return (unit / a) * (unit / a) * (1.0 + c) / (a - 1.0) if a > 1.0 else math.inf

    def log_tails(self, x: Floats) -> tuple[Floats, Floats]:
        """(log F, log(1 - F)) at positive finite x (n,), at the cost of one of them."""
        above, below = self._table.log_tails(self._shift - np.log(x))
        return below, above

    def _logpdf(self, x: Floats) -> Floats:
        log_x = np.log(x)
        return self._table.log_g(self._shift - log_x) - log_x

    def _cdf(self, x: Floats) -> Floats:
        return np.exp(self._logcdf(x))

    def _sf(self, x: Floats) -> Floats:
        return np.exp(self._logsf(x))

    def _logcdf(self, x: Floats) -> Floats:
        return self._table.log_tails(self._shift - np.log(x))[1]

    def _logsf(self, x: Floats) -> Floats:
        return self._table.log_tails(self._shift - np.log(x))[0]

    def _ppf(self, q: Floats) -> Floats:
        return np.exp(self._shift - self._table.quantile(np.log1p(-q), np.log(q)))

    def _isf(self, q: Floats) -> Floats:
        return np.exp(self._shift - self._table.quantile(np.log(q), np.log1p(-q)))

    @cached_property
    def _table(self) -> Table | Row:
        return _unit_table(self.gamma, self.kappa)

    @cached_property
    def _shift(self) -> float:
        """log(x y), y = kappa / (2 gamma) * scale / x."""
        return _log_unit(self.gamma, self.kappa) + math.log(self.scale)

    @property
    def _a_and_unit(self) -> tuple[float, float]:
        kappa = min(self.kappa, LARGEST_KAPPA)
        return _exponent(self.gamma, kappa), self.scale * kappa / (2.0 * self.gamma)


def _exponent(gamma: float, kappa: float) -> float:
    """a = (kappa/2)(1/gamma - 1) - 1."""
    return 0.5 * kappa * (1.0 - gamma) / gamma - 1.0


def _unit_table(gamma: float, kappa: float) -> Table:
    kappa = min(kappa, LARGEST_KAPPA)
    return table(_exponent(gamma, kappa), 0.5 * kappa)


def _log_unit(gamma: float, kappa: float) -> float:
    """log of the mean in y, kappa/(2 gamma)."""
    return math.log(min(kappa, LARGEST_KAPPA) / (2.0 * gamma))


def _check(law: str, gamma: float, kappa: float, scale: float) -> None:
    if _LEAST_GAMMA <= gamma <= 1.0 and kappa >= _LEAST_KAPPA and 0.0 < scale < math.inf:
        return
    require(0.0 < gamma <= 1.0, law, f"gamma = {gamma} is not in (0, 1]", "pass the smaller side over the larger one")
    require(
        gamma >= _LEAST_GAMMA, law, f"gamma = {gamma} is not at least {_LEAST_GAMMA:g}", "use MarchenkoPastur there"
    )
    require(kappa > 0.0, law, f"kappa = {kappa} is not positive", "use a Gamma law for vanishing repulsion")
    require(kappa >= _LEAST_KAPPA, law, f"kappa = {kappa} is not at least {_LEAST_KAPPA:g}", "use a Gamma law there")
    require(0.0 < scale < math.inf, law, f"scale = {scale} is not positive and finite", "pass the law's mean")
