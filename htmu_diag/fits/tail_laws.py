"""Laws of a tail above a given xmin, by maximum likelihood (Clauset, Shalizi & Newman 2009, table 2.1).

Values are measured in units of xmin while fitting, so that parameters are of order one; rates and the lognormal's mu
are turned back afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import MIN_VALUES, check_xmin, checked_sample
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.intervals import normal_interval
from htmu_diag.fits.maximum import Maximum, maximise
from htmu_diag.fits.results import LawFit, Status
from htmu_diag.fits.scan import scan
from htmu_diag.laws import Exponential, Lognormal, PowerLaw, StretchedExponential, TruncatedPowerLaw
from htmu_diag.laws.base import ContinuousLaw
from htmu_diag.spectrum import Floats

__all__ = ["TAIL_LAWS", "TailLaw", "fit_tail_law", "fit_truncated_power_law"]

TailLaw = Literal["power_law", "truncated_power_law", "lognormal", "exponential", "stretched_exponential"]
_LOG_RATE = (-25.0, 8.0)


@dataclass(frozen=True)
class _Family:
    """build: parameters in units of xmin -> law; start: from the mean log; unit: power of xmin in each estimate."""

    build: Callable[[Floats, float], ContinuousLaw]
    names: tuple[str, ...]
    start: Callable[[Floats], tuple[float, ...]]
    bounds: tuple[tuple[float, float], ...]


def _alpha(u: Floats) -> float:
    return 1 + 1 / float(np.log(u).mean())


TAIL_LAWS: dict[TailLaw, _Family] = {
    "power_law": _Family(
        lambda p, x: PowerLaw(1 + math.exp(p[0]), x), ("alpha",), lambda u: (math.log(_alpha(u) - 1),), ((-20.0, 20.0),)
    ),
    "truncated_power_law": _Family(
        lambda p, x: TruncatedPowerLaw(p[0], math.exp(p[1]) / x, x),
        ("alpha", "rate"),
        lambda u: (_alpha(u), -math.log(u[-1])),
        ((-100.0, 100.0), _LOG_RATE),
    ),
    "lognormal": _Family(
        lambda p, x: Lognormal(p[0] + math.log(x), math.exp(p[1]), x),
        ("mu", "sigma"),
        lambda u: (float(np.log(u).mean()), math.log(float(np.log(u).std()))),
        ((-200.0, 50.0), (-8.0, 5.0)),
    ),
    "exponential": _Family(
        lambda p, x: Exponential(math.exp(p[0]) / x, x), ("rate",), lambda u: (-math.log(u.mean() - 1),), (_LOG_RATE,)
    ),
    "stretched_exponential": _Family(
        lambda p, x: StretchedExponential(math.exp(p[0]) / x, math.exp(p[1]), x),
        ("rate", "beta"),
        lambda u: (-math.log(u.mean()), -0.7),
        ((-40.0, 8.0), (-5.0, 4.0)),
    ),
}


def fit_truncated_power_law(values: npt.ArrayLike, *, xmin: float | None = None) -> LawFit:
    """Fit density proportional to x**-alpha exp(-rate x) above xmin (None: that of the power-law scan)."""
    sample = checked_sample(values)
    if not sample.status.ok:
        return LawFit("truncated_power_law", None, {}, n=sample.values.size, status=sample.status)
    if xmin is None:
        found = scan(sample.values)
        xmin = float(sample.values[0]) if found is None else found.xmin
    return fit_tail_law(sample.values, xmin, "truncated_power_law")


def fit_tail_law(values: npt.ArrayLike, xmin: float, name: TailLaw) -> LawFit:
    """Fit one of ``TAIL_LAWS`` to the values from xmin on; ``LawFit.n`` counts them."""
    if name not in TAIL_LAWS:
        raise InputError(f"no tail law {name!r}; choose from {', '.join(TAIL_LAWS)}")
    check_xmin(xmin)
    sample = checked_sample(values)
    tail = sample.values[np.searchsorted(sample.values, xmin) :]
    status = sample.status if not sample.status.ok else _usable(tail, xmin)
    if not status.ok:
        return LawFit(name, None, {}, n=tail.size, status=status)
    return _fit(tail, xmin, name)


def _usable(tail: Floats, xmin: float) -> Status:
    if tail.size < MIN_VALUES:
        message = f"{tail.size} values from xmin = {xmin:.4g} on where {MIN_VALUES} are needed; pass a lower xmin"
        return Status("too_few_values", message)
    if math.log(tail[-1]) - math.log(xmin) > 230:
        return Status("bad_values", "the tail reaches over 100 orders of magnitude above xmin; pass a higher xmin")
    return checked_sample(tail).status


def _fit(tail: Floats, xmin: float, name: TailLaw) -> LawFit:
    family, u = TAIL_LAWS[name], tail / xmin

    def log_likelihood(p: Floats) -> float:
        return float(family.build(p, 1.0).logpdf(u).sum())

    with np.errstate(all="ignore"):
        best = maximise(log_likelihood, u.size, family.start(u), family.bounds)
        law = family.build(best.point, xmin)
        levels = np.nan_to_num(law.cdf(tail))
    estimates = {field: float(getattr(law, field)) for field in family.names}
    stderr = dict(zip(family.names, _stderr(best, estimates, family), strict=True))
    return LawFit(
        name,
        law,
        estimates | {"xmin": xmin},
        stderr,
        {field: normal_interval(estimates[field], stderr[field]) for field in family.names},
        tail_exponent=estimates["alpha"] if name == "power_law" else math.nan,
        n=tail.size,
        ks_distance=ks_of_levels(levels),
        log_likelihood=best.log_likelihood - tail.size * math.log(xmin),
        status=_outcome(best, name),
    )


def _stderr(best: Maximum, estimates: dict[str, float], family: _Family) -> list[float]:
    """From the parameters of the search to the law's: those held as logarithms scale with the estimate."""
    plain = {"mu", "alpha"} if len(family.names) > 1 else set()
    size = {name: abs(value) - (name == "alpha") for name, value in estimates.items()}
    pairs = zip(family.names, best.stderr, strict=True)
    return [float(error if name in plain else error * size[name]) for name, error in pairs]


def _outcome(best: Maximum, name: TailLaw) -> Status:
    if best.at_boundary and name == "truncated_power_law":
        return Status("at_boundary", "no cutoff within the data: the pure power law is as likely; report that one")
    if best.at_boundary:
        return Status("at_boundary", "the likelihood still rises at the edge of the domain; another law fits better")
    if not best.converged or not np.isfinite(best.stderr).all():
        return Status("not_converged", "the likelihood has no clear maximum; pass a lower xmin, for a longer tail")
    return Status()
