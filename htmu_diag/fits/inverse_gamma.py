"""The inverse Gamma law on the lowest part of a spectrum, where inverse HTMP turns into it.

Below the threshold t (the next value above the part that is fitted) the values follow the law cut at t: density
proportional to x**(-shape - 1) exp(-scale/x) on (0, t). In y = t/x >= 1 that is a Gamma law cut from below, with
b = scale/t an exponential family of normaliser b**-shape Gamma(shape, b), so its likelihood is concave. The whole
spectrum (fraction = 1) has no threshold and the plain Gamma law of 1/x.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincc, gammainccinv, gammaln

from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import MIN_DISTINCT, MIN_VALUES, checked_sample
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.intervals import log_interval
from htmu_diag.fits.maximum import Maximum, maximise
from htmu_diag.fits.results import LawFit, Status
from htmu_diag.laws import InverseGamma
from htmu_diag.spectrum import Floats

__all__ = ["fit_inverse_gamma"]

_SEED = 20250603
_WIDEST = 650.0  # of log(largest/smallest): 280 orders of magnitude
_LEVELS = 60  # of the continued fraction, at x beyond 500: far more than double precision needs
_BOUNDS = (-6.0, 9.0)  # of log shape and log b: beyond, the law cannot be told from a power or a point


def fit_inverse_gamma(
    values: npt.ArrayLike, fraction: float = 0.2, *, bootstrap: int = 0, rng: np.random.Generator | None = None
) -> LawFit:
    """Fit shape and scale to the lowest ``fraction`` of positive values (n,), by conditional maximum likelihood.

    fraction: in (0, 1]; a fifth by default, our choice: the largest part over which kernels of small networks stay
    inverse Gamma. bootstrap: refitted samples of the fitted law behind the p-value of the KS distance; rng draws them
    (a fixed seed by default). ``LawFit.n`` counts the values of the fitted part.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction = {fraction} is not in (0, 1]; pass the share of the spectrum to fit")
    sample = checked_sample(values)
    count = math.ceil(fraction * sample.values.size)
    status = sample.status if not sample.status.ok else _enough(sample.values, count)
    if not status.ok:
        return LawFit("InverseGamma", None, {}, n=count, status=status)
    threshold = float(sample.values[count]) if count < sample.values.size else math.inf
    unit = threshold if math.isfinite(threshold) else float(np.median(sample.values))
    part = _Part(unit / sample.values[:count][::-1], math.isfinite(threshold))
    fit = _result(part, _maximise(part), unit)
    if bootstrap <= 0 or not fit.status.ok:
        return fit
    return replace(fit, p_value=_p_value(part, fit, unit, bootstrap, rng or np.random.default_rng(_SEED)))


def _enough(values: Floats, count: int) -> Status:
    low = values[:count]
    if count < MIN_VALUES:
        return Status("too_few_values", f"the part holds {count} values where {MIN_VALUES} are needed; raise fraction")
    if np.unique(low).size < MIN_DISTINCT:
        return Status("degenerate", f"{count} values with fewer than {MIN_DISTINCT} distinct ones; raise fraction")
    if math.log(values[-1]) - math.log(low[0]) > _WIDEST:
        return Status("bad_values", "values spread over more than 300 orders of magnitude; drop the numerical zeros")
    return Status()


@dataclass(frozen=True)
class _Part:
    """y = unit/x ascending, (n,); cut: whether y < 1 is excluded."""

    y: Floats
    cut: bool

    def log_likelihood(self, shape: float, b: float) -> float:
        mass = float(log_upper_gamma(shape, np.array([b]))[0]) if self.cut else 0.0
        sums = (shape - 1) * float(np.log(self.y).mean()) - b * float(self.y.mean())
        return self.y.size * (sums + shape * math.log(b) - float(gammaln(shape)) - mass)

    def levels(self, shape: float, b: float) -> Floats:
        """P(Y > y), ascending in x = unit/y."""
        mass = float(log_upper_gamma(shape, np.array([b]))[0]) if self.cut else 0.0
        return np.exp(log_upper_gamma(shape, b * self.y[::-1]) - mass)

    def draw(self, shape: float, b: float, rng: np.random.Generator) -> _Part:
        """As many values of the fitted law."""
        top = float(gammaincc(shape, b)) if self.cut else 1.0
        y = gammainccinv(shape, top * (1 - rng.random(self.y.size))) / b
        return _Part(np.sort(np.asarray(y, dtype=np.float64)), self.cut)


def _maximise(part: _Part) -> Maximum:
    """In log shape and log b."""

    def log_likelihood(p: Floats) -> float:
        return part.log_likelihood(math.exp(p[0]), math.exp(p[1]))

    return maximise(log_likelihood, part.y.size, (0.0, -math.log(part.y.mean())), (_BOUNDS, _BOUNDS))


def _result(part: _Part, best: Maximum, unit: float) -> LawFit:
    shape, b = map(float, np.exp(best.point))
    estimates = {"shape": shape, "scale": b * unit}
    errors = dict(zip(estimates, map(float, best.stderr), strict=True))
    jacobian = float(2 * np.log(part.y).sum()) - part.y.size * math.log(unit)  # from y back to x
    return LawFit(
        "InverseGamma",
        InverseGamma(shape, b * unit),
        estimates,
        {name: value * errors[name] for name, value in estimates.items()},
        {name: log_interval(value, errors[name]) for name, value in estimates.items()},
        n=part.y.size,
        ks_distance=ks_of_levels(part.levels(shape, b)),
        log_likelihood=best.log_likelihood + jacobian,
        status=_status(best),
    )


def _status(best: Maximum) -> Status:
    if best.at_boundary:
        message = "the lowest values do not turn down as exp(-scale/x) does; another fraction, or a power law at zero"
        return Status("at_boundary", message)
    if not best.converged or not np.isfinite(best.stderr).all():
        return Status("not_converged", "the likelihood has no clear maximum; raise fraction")
    return Status()


def _p_value(part: _Part, fit: LawFit, unit: float, draws: int, rng: np.random.Generator) -> float:
    shape, b = fit.parameters["shape"], fit.parameters["scale"] / unit
    worse = 0
    for _ in range(draws):
        drawn = part.draw(shape, b, rng)
        again = np.exp(_maximise(drawn).point)
        worse += ks_of_levels(drawn.levels(float(again[0]), float(again[1]))) >= fit.ks_distance
    return (1 + worse) / (1 + draws)


def log_upper_gamma(shape: float, x: Floats) -> Floats:
    """log of Gamma(shape, x)/Gamma(shape), by Legendre's continued fraction where it underflows."""
    plain = gammaincc(shape, x)
    with np.errstate(divide="ignore"):
        result = np.log(plain)
    deep = plain < 1e-250
    if deep.any():
        fraction, z = np.zeros(int(deep.sum())), x[deep]
        for k in range(_LEVELS, 0, -1):
            fraction = k * (shape - k) / (z + 2 * k + 1 - shape + fraction)
        result[deep] = shape * np.log(z) - z - gammaln(shape) - np.log(z + 1 - shape + fraction)
    return np.asarray(result)
