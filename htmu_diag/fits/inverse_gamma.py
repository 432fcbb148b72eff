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
import scipy

from htmu_diag.arguments import GENERATOR, checked, optional, real, whole
from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import MIN_DISTINCT, MIN_VALUES, checked_sample
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.gamma_maxima import maxima
from htmu_diag.fits.intervals import log_interval
from htmu_diag.fits.maximum import Maximum, maximise, maximum_at
from htmu_diag.fits.results import LawFit, Status
from htmu_diag.laws import InverseGamma
from htmu_diag.spectrum import Floats

__all__ = ["fit_inverse_gamma"]

_SEED = 20250603
_WIDEST = 650.0  # of log(largest/smallest): 280 orders of magnitude
_LEVELS = 60  # of the continued fraction, at x beyond 500: far more than double precision needs
_EDGE = 1e-3  # of the box, in these logarithms
_BOUNDS = (-6.0, 9.0)  # of log shape and log b: beyond, the law cannot be told from a power or a point


@checked(fraction=real(0, 1, above=True), bootstrap=whole(0, 10**6), rng=optional(GENERATOR))
def fit_inverse_gamma(
    values: npt.ArrayLike, fraction: float = 0.2, *, bootstrap: int = 0, rng: np.random.Generator | None = None
) -> LawFit:
    """Fit shape and scale to the lowest ``fraction`` of positive values (n,), by conditional maximum likelihood.

    fraction: in (0, 1]; a fifth by default, our choice: the largest part over which kernels of small networks stay
    inverse Gamma. bootstrap: refitted samples of the fitted law behind the p-value of the KS distance; rng draws them
    (a fixed seed by default). It is that of independent values: eigenvalues repel each other and scatter less, so it
    hardly can reject theirs. ``LawFit.n`` counts the values of the fitted part.
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
        return self.y.size * (sums + shape * math.log(b) - float(scipy.special.gammaln(shape)) - mass)

    def levels(self, shape: float, b: float) -> Floats:
        """P(Y > y), ascending in x = unit/y."""
        mass = float(log_upper_gamma(shape, np.array([b]))[0]) if self.cut else 0.0
        return np.exp(log_upper_gamma(shape, b * self.y[::-1]) - mass)

    def draw(self, shape: float, b: float, rng: np.random.Generator, count: int) -> Floats:
        """``count`` samples of as many values of the law, each ascending: (count, n)."""
        top = float(scipy.special.gammaincc(shape, b)) if self.cut else 1.0
        y = scipy.special.gammainccinv(shape, top * (1 - rng.random((count, self.y.size)))) / b
        return np.sort(np.asarray(y, dtype=np.float64), axis=1)


def _maximise(part: _Part) -> Maximum:
    """In log shape and log b: Newton's maximum, quasi-Newton steps from there where it ends on an edge of the box."""

    def log_likelihood(p: Floats) -> float:
        return part.log_likelihood(math.exp(p[0]), math.exp(p[1]))

    logs, means = np.log(part.y).mean(keepdims=True), part.y.mean(keepdims=True)
    shape, b, found = maxima(logs, means, part.cut, float(np.exp(_BOUNDS[0])))
    start = (math.log(shape[0]), math.log(b[0])) if found[0] else (0.0, -math.log(float(means[0])))
    if found[0] and all(_BOUNDS[0] + _EDGE < p < _BOUNDS[1] - _EDGE for p in start):
        return maximum_at(log_likelihood, part.y.size, start)
    return maximise(log_likelihood, part.y.size, start, (_BOUNDS, _BOUNDS))


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
        until=unit if part.cut else math.inf,
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
    """Share of samples of the fitted law that lie as far from their own fit; all of them are refitted at once."""
    shape, b = fit.parameters["shape"], fit.parameters["scale"] / unit
    box = np.exp(_BOUNDS)
    drawn = part.draw(shape, b, rng, draws)  # (draws, n) ascending
    shapes, bs, found = maxima(np.log(drawn).mean(axis=1), drawn.mean(axis=1), part.cut, box[0], (shape, b))
    found &= (shapes < box[1]) & (bs > box[0]) & (bs < box[1])
    for row in np.flatnonzero(~found):  # on another edge of the box, where there is no maximum to converge to
        shapes[row], bs[row] = np.exp(_maximise(_Part(drawn[row], part.cut)).point)
    levels = log_upper_gamma(shapes[:, None], bs[:, None] * drawn[:, ::-1])
    if part.cut:
        levels -= log_upper_gamma(shapes, bs)[:, None]
    return (1 + sum(ks_of_levels(row) >= fit.ks_distance for row in np.exp(levels))) / (1 + draws)


def log_upper_gamma(shape: float | Floats, x: Floats) -> Floats:
    """log of Gamma(shape, x)/Gamma(shape), by Legendre's continued fraction where it underflows; both broadcast."""
    plain = scipy.special.gammaincc(shape, x)
    with np.errstate(divide="ignore"):
        result = np.log(plain)
    deep = plain < 1e-250
    if deep.any():
        fraction, z, a = np.zeros(int(deep.sum())), x[deep], np.broadcast_to(shape, plain.shape)[deep]
        for k in range(_LEVELS, 0, -1):
            fraction = k * (a - k) / (z + 2 * k + 1 - a + fraction)
        result[deep] = a * np.log(z) - z - scipy.special.gammaln(a) - np.log(z + 1 - a + fraction)
    return np.asarray(result)
