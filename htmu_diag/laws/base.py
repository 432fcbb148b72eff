"""The protocol of a law, and its numerics, written once.

A concrete law states formulas (log density, distribution and survival function inside its support, two moments);
the rest follows here: masks outside the support, NaN in NaN out, logarithms, quantiles by a safeguarded Newton
iteration on the logarithm of the smaller tail (so that both tails keep relative accuracy), and samples by inversion.
"""

from __future__ import annotations

import abc
import math
import numbers
import reprlib
import sys
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import GENERATOR, real_array, whole
from htmu_diag.errors import InputError
from htmu_diag.laws.roots import quantile_root
from htmu_diag.spectrum import Floats

__all__ = ["ContinuousLaw", "Law", "exp_or_inf", "numbers_only", "require", "variance"]


_LARGEST_LOG = math.log(1.7e308)


@runtime_checkable
class Law(Protocol):
    """What every law offers: scipy's method names, vectorised over x, float64.

    x <= the support gives density 0, NaN gives NaN. An atom at zero counts in ``cdf`` and is not part of ``pdf``.
    """

    def pdf(self, x: npt.ArrayLike) -> Floats: ...
    def logpdf(self, x: npt.ArrayLike) -> Floats: ...
    def cdf(self, x: npt.ArrayLike) -> Floats: ...
    def sf(self, x: npt.ArrayLike) -> Floats: ...
    def logsf(self, x: npt.ArrayLike) -> Floats: ...
    def ppf(self, q: npt.ArrayLike) -> Floats: ...
    def isf(self, q: npt.ArrayLike) -> Floats: ...
    def rvs(self, size: int | tuple[int, ...] = 1, *, rng: np.random.Generator) -> Floats: ...
    def mean(self) -> float: ...
    def var(self) -> float: ...
    def support(self) -> tuple[float, float]: ...


class ContinuousLaw(abc.ABC):
    """A law with a density, and possibly an atom at the lower end of its support.

    A concrete law writes ``_logpdf``, ``_cdf``, ``_sf``, ``mean``, ``var`` and ``support``; it may add ``_logcdf``,
    ``_logsf``, ``_ppf`` and ``_isf`` where it has formulas. Private methods see finite points inside the support only.
    Scalars in give scalars out, arrays keep their shape.
    """

    @abc.abstractmethod
    def support(self) -> tuple[float, float]:
        """Smallest closed interval that carries the law; a density at exactly 0 is reported as 0."""

    @abc.abstractmethod
    def mean(self) -> float:
        """First moment, ``inf`` where it diverges."""

    @abc.abstractmethod
    def var(self) -> float:
        """Variance, ``inf`` where it diverges."""

    @abc.abstractmethod
    def _logpdf(self, x: Floats) -> Floats: ...

    @abc.abstractmethod
    def _cdf(self, x: Floats) -> Floats: ...

    @abc.abstractmethod
    def _sf(self, x: Floats) -> Floats: ...

    @property
    def atom(self) -> float:
        """Mass of the single point at the lower end of the support; 0 for most laws."""
        return 0.0

    def std(self) -> float:
        """Square root of the variance."""
        return math.sqrt(self.var())

    def median(self) -> float:
        """The quantile of one half."""
        return float(self.ppf(0.5))

    def logpdf(self, x: npt.ArrayLike) -> Floats:
        """Log density, -inf outside the support and at 0."""
        low, high = self.support()

        def inside(x: Floats) -> npt.NDArray[np.bool_]:
            return np.asarray(np.isfinite(x) & (x >= low) & (x <= high) & ((x != 0.0) | (low < 0.0)))

        return _on(x, inside, self._logpdf, lambda x: np.full_like(x, -np.inf))

    def pdf(self, x: npt.ArrayLike) -> Floats:
        """Density, 0 outside the support; the atom is not part of it. Infinite where it exceeds every float."""
        with np.errstate(over="ignore"):
            return np.exp(self.logpdf(x))

    def cdf(self, x: npt.ArrayLike) -> Floats:
        """Mass of (-inf, x], the atom included."""
        return _on(x, self._within, self._cdf, lambda x: self._outside(x, 0.0, self.atom, 1.0))

    def sf(self, x: npt.ArrayLike) -> Floats:
        """Mass of (x, inf), with its own relative accuracy in the upper tail."""
        return _on(x, self._within, self._sf, lambda x: self._outside(x, 1.0, 1.0 - self.atom, 0.0))

    def logcdf(self, x: npt.ArrayLike) -> Floats:
        """Log of ``cdf``, accurate in the lower tail where the law has a formula for it."""
        return _on(x, self._within, self._logcdf, lambda x: np.log(self._outside(x, 0.0, self.atom, 1.0)))

    def logsf(self, x: npt.ArrayLike) -> Floats:
        """Log of ``sf``, accurate in the upper tail where the law has a formula for it."""
        return _on(x, self._within, self._logsf, lambda x: np.log(self._outside(x, 1.0, 1.0 - self.atom, 0.0)))

    def ppf(self, q: npt.ArrayLike) -> Floats:
        """Quantile: the smallest x with cdf(x) >= q; NaN for q outside [0, 1]."""
        low, high = self.support()

        def ends(q: Floats) -> Floats:
            return np.select([(q >= 0.0) & (q <= self.atom), q == 1.0], [low, high], np.nan)

        return _on(q, lambda q: (q > self.atom) & (q < 1.0), self._ppf, ends)

    def isf(self, q: npt.ArrayLike) -> Floats:
        """Upper quantile: the x with sf(x) = q, accurate for tiny q; NaN for q outside [0, 1]."""
        low, high = self.support()

        def ends(q: Floats) -> Floats:
            return np.select([(q <= 1.0) & (q >= 1.0 - self.atom), q == 0.0], [low, high], np.nan)

        return _on(q, lambda q: (q > 0.0) & (q < 1.0 - self.atom), self._isf, ends)

    def rvs(self, size: int | tuple[int, ...] = 1, *, rng: np.random.Generator) -> Floats:
        """Independent samples by inversion, of the given shape. Eigenvalues, which repel, are in ``ensembles``."""
        GENERATOR("rng", rng)
        return self.ppf(rng.random(_checked_size(size)))

    def _logcdf(self, x: Floats) -> Floats:
        return np.log(self._cdf(x))

    def _logsf(self, x: Floats) -> Floats:
        return np.log(self._sf(x))

    def _ppf(self, q: Floats) -> Floats:
        return quantile_root(self, np.log(q), np.log1p(-q))

    def _isf(self, q: Floats) -> Floats:
        return quantile_root(self, np.log1p(-q), np.log(q))

    def _within(self, x: Floats) -> npt.NDArray[np.bool_]:
        low, high = self.support()
        return (x > low) & (x < high)

    def _outside(self, x: Floats, below: float, at: float, above: float) -> Floats:
        low, high = self.support()
        return np.select([x < low, x >= high, x == low], [below, above, at], np.nan)


def _checked_size(size: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """Raises InputError for what is no shape."""
    for count in size if isinstance(size, tuple) else (size,):
        whole()("size", count)
    return size


def require(condition: bool, law: str, what: str, remedy: str) -> None:
    """Raise InputError "law: what; remedy" unless the condition holds."""
    if not condition:
        raise InputError(f"{law}: {what}; {remedy}")


def numbers_only(law: ContinuousLaw) -> None:
    """Raise InputError unless every parameter of the law is a number; which ones it takes is the law's own to say."""
    for name, value in vars(law).items():
        if type(value) is float:
            continue
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise InputError(f"{type(law).__name__}: {name} = {reprlib.repr(value)} is no number; pass one")
        if isinstance(value, numbers.Integral) and abs(int(value)) > sys.float_info.max:
            raise InputError(f"{type(law).__name__}: {name} exceeds every float; pass a smaller one")


def exp_or_inf(x: float) -> float:
    """exp(x), infinite where it exceeds every float."""
    return math.exp(x) if x < _LARGEST_LOG else math.inf


def variance(second: float, first: float) -> float:
    """From the first two moments, infinite where the second exceeds every float."""
    return second - first * first if second < math.inf else math.inf


def _on(
    x: npt.ArrayLike,
    inside: Callable[[Floats], npt.NDArray[np.bool_]],
    formula: Callable[[Floats], Floats],
    elsewhere: Callable[[Floats], Floats],
) -> Floats:
    """formula(x) where inside(x), elsewhere(x) at the other points, NaN where x is NaN; the shape of x.

    Far out, powers overflow and logarithms meet 0, both to the right limit: silently. Invalid operations still warn.
    """
    points = real_array(x, "points")
    flat = points.ravel()
    mask = inside(flat)
    with np.errstate(over="ignore", divide="ignore"):
        if mask.all():
            return _like(points, formula(flat))
        out = elsewhere(flat)
        out[np.isnan(flat)] = np.nan
        out[mask] = formula(flat[mask])
        return _like(points, out)


def _like(points: Floats, values: Floats) -> Floats:
    result: Floats = values.reshape(points.shape)[()]  # a numpy scalar for a scalar, as in scipy
    return result
