"""Laws of a tail above a given xmin, by maximum likelihood (Clauset, Shalizi & Newman 2009, table 2.1).

Values are measured in units of xmin while fitting, so that parameters are of order one; rates and the lognormal's mu
are turned back afterwards.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import XMIN, checked, either, instance, one_of, optional
from htmu_diag.fits.checked_sample import MIN_VALUES, check_xmin, checked_sample
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.intervals import normal_interval
from htmu_diag.fits.maximum import Maximum, maximise
from htmu_diag.fits.results import LawFit, Status
from htmu_diag.fits.scan import scan
from htmu_diag.fits.tail_families import TAIL_LAWS, TailFamily, TailLaw, tail_family
from htmu_diag.spectrum import Floats

__all__ = ["fit_tail_law", "fit_truncated_power_law"]


@checked(xmin=optional(XMIN))
def fit_truncated_power_law(values: npt.ArrayLike, *, xmin: float | None = None) -> LawFit:
    """Fit density proportional to x**-alpha exp(-rate x) above xmin (None: that of the power-law scan)."""
    sample = checked_sample(values)
    if not sample.status.ok:
        return LawFit("truncated_power_law", None, {}, n=sample.values.size, status=sample.status)
    if xmin is None:
        found = scan(sample.values)
        xmin = float(sample.values[0]) if found is None else found.xmin
    return fit_tail_law(sample.values, xmin, "truncated_power_law")


@checked(xmin=XMIN, law=either(one_of(*TAIL_LAWS), instance("a TailFamily", TailFamily)))
def fit_tail_law(values: npt.ArrayLike, xmin: float, law: TailLaw | TailFamily) -> LawFit:
    """Fit one of ``TAIL_LAWS``, or a family of your own, to the values from xmin on; ``LawFit.n`` counts them."""
    family = tail_family(law)
    check_xmin(xmin)
    sample = checked_sample(values)
    tail = sample.values[np.searchsorted(sample.values, xmin) :]
    status = sample.status if not sample.status.ok else _usable(tail, xmin)
    if not status.ok:
        return LawFit(family.name, None, {}, n=tail.size, status=status)
    return _fit(tail, xmin, family)


def _usable(tail: Floats, xmin: float) -> Status:
    if tail.size < MIN_VALUES:
        message = f"{tail.size} values from xmin = {xmin:.4g} on where {MIN_VALUES} are needed; pass a lower xmin"
        return Status("too_few_values", message)
    if math.log(tail[-1]) - math.log(xmin) > 230:
        return Status("bad_values", "the tail reaches over 100 orders of magnitude above xmin; pass a higher xmin")
    return checked_sample(tail).status


def _fit(tail: Floats, xmin: float, family: TailFamily) -> LawFit:
    u = tail / xmin

    def log_likelihood(p: Floats) -> float:
        return float(family.law(p, 1.0).logpdf(u).sum())

    with np.errstate(all="ignore"):
        best = maximise(log_likelihood, u.size, family.start(u), [one.bounds for one in family.parameters])
        law = family.law(best.point, xmin)
        levels = np.nan_to_num(law.cdf(tail))
    estimates = {one.name: float(getattr(law, one.name)) for one in family.parameters}
    stderr = family.stderr(best.point, best.stderr, xmin)
    return LawFit(
        family.name,
        law,
        estimates | {"xmin": xmin},
        stderr,
        {name: normal_interval(value, stderr[name]) for name, value in estimates.items()},
        tail_exponent=estimates.get(family.exponent, math.nan),
        n=tail.size,
        ks_distance=ks_of_levels(levels),
        log_likelihood=best.log_likelihood - tail.size * math.log(xmin),
        status=_outcome(best, family),
    )


def _outcome(best: Maximum, family: TailFamily) -> Status:
    if best.at_boundary:
        return Status("at_boundary", family.at_edge)
    if not best.converged or not np.isfinite(best.stderr).all():
        return Status("not_converged", "the likelihood has no clear maximum; pass a lower xmin, for a longer tail")
    return Status()
