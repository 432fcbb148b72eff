"""Power-law tails: maximum likelihood above the xmin with the smallest KS distance (Clauset, Shalizi & Newman 2009)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import FLAG, GENERATOR, XMIN, checked, one_of, optional, whole
from htmu_diag.fits.checked_sample import Sample, checked_sample
from htmu_diag.fits.cross_check import powerlaw_difference
from htmu_diag.fits.intervals import log_interval, normal_interval
from htmu_diag.fits.results import Status
from htmu_diag.fits.scan import ScanResult, scan, tail_at
from htmu_diag.fits.tail_bootstrap import TailBootstrap, bootstrap_tail
from htmu_diag.fits.tail_end import end_statistic
from htmu_diag.fits.tail_fit import TailFit
from htmu_diag.fits.tail_rival import exponential_rival
from htmu_diag.spectrum import Floats

__all__ = ["fit_power_law"]

Tail = Literal["upper", "lower"]
_MIN_TAIL = 5
# Clauset, Shalizi & Newman 2009, section 4.1: a power law is ruled out below 0.1
_RULED_OUT = 0.1
# KS distance beyond that of nine exact samples in ten. Tails are power laws only in the limit, and 10,000 values tell
# |Student t| from one in a third of the samples; those are off by 0.001 to 0.017, what is none by 0.02 to 0.14
_TOLERANCE = 0.015
# A power law with so small an exponent over so many decades is one, though it ends: a bulk's edge has 4.6 and more
_LONG_ALPHA, _LONG_DECADES = 3.0, 1.0
_MIN_REPLICATES = 30  # fewer say nothing about a share of 0.1, or about a spread
# Clauset, Shalizi & Newman 2009, section 3.1: about where the continuous law stands in for the discrete one
_LEAST_WHOLE = 10.0
_TOPS, _FAR_APART = (32, 8), 4.0  # shares of the tail that are looked at alone; standard errors that tell them apart
_SEED = 20250603


@checked(
    xmin=optional(XMIN),
    tail=one_of("upper", "lower"),
    bootstrap=whole(0, 10**6),
    rng=optional(GENERATOR),
    cross_check=FLAG,
)
def fit_power_law(
    values: npt.ArrayLike,
    *,
    xmin: float | None = None,
    tail: Tail = "upper",
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
    cross_check: bool = False,
) -> TailFit:
    """Fit a density proportional to x**-alpha above xmin; see ``TailFit`` for what comes back.

    values: (n,) positive, in any order. xmin: start of the tail; None tries every value and takes the one with the
    smallest KS distance. tail: "lower" fits the upper tail of 1/values, and xmin is one of them (``exponent`` is that
    of the density at zero).
    bootstrap: replicates for the p-value; from 30 on they also give stderr and interval, with xmin searched for in
    each. rng: draws them; a fixed seed by default. cross_check: refit with the powerlaw package and report the
    difference.

    The status is not_a_power_law where a tail with a finite end is far likelier (``tail_end``), where an exponential
    tail is likelier by a log ratio of 1 or more (``tail_rival``), or where the p-value is below 0.1 and the KS distance
    more than 0.015 beyond that of nine replicates in ten; but a power law of alpha below 3 over a decade or more with a
    p-value of 0.1 or more "fits, then ends". The numbers are given all the same, and `TailFit.verdict` says what they
    are good for. Whole numbers from a low xmin on are told in the message of an ok status. Raises InputError for
    anything but a flat array of real numbers and an xmin > 0.
    """
    sample = checked_sample(values) if tail == "upper" else _reciprocal(checked_sample(values))
    if not sample.status.ok:
        return _failed(sample.values.size, tail, sample.status)
    data = sample.values
    found = scan(data) if xmin is None else tail_at(data, xmin)
    if found is None or found.n_tail < _MIN_TAIL:
        return _failed(data.size, tail, _short_tail(found, xmin))
    fit = _estimate(data, found, tail, xmin)
    if bootstrap > 0:
        generator = np.random.default_rng(_SEED) if rng is None else rng
        replicates = bootstrap_tail(data, found, bootstrap, generator, fixed_xmin=xmin is not None)
        fit = _with_bootstrap(fit, replicates, data)
    return replace(fit, cross_check=powerlaw_difference(data, found, xmin)) if cross_check else fit


def _reciprocal(sample: Sample) -> Sample:
    if not sample.status.ok:
        return sample
    return Sample(1.0 / sample.values[::-1], sample.status)


def _estimate(data: Floats, found: ScanResult, tail: Tail, xmin: float | None) -> TailFit:
    stderr = (found.alpha - 1) / math.sqrt(found.n_tail)
    ended = end_statistic(data, found.start, own_only=xmin is not None)
    fit = TailFit(found.alpha, stderr, found.xmin, found.n_tail, data.size, found.ks_distance, tail=tail)
    rival = exponential_rival(data[found.start :], found.xmin)
    fit = replace(fit, alpha_interval=normal_interval(found.alpha, stderr), end_ratio=ended, rival=rival)
    if ended > 0:
        return _ended(fit)
    return fit.as_exponential() if rival.likelier else replace(fit, status=_whole_numbers(data, found.xmin))


def _ended(fit: TailFit) -> TailFit:
    likelier = f"a tail with a finite end is likelier (2 log ratio {fit.end_ratio:.1f})"
    status = Status("not_a_power_law", f"{likelier}; compare with a Marchenko-Pastur bulk")
    return replace(fit, status=status, cause="finite end")


def _whole_numbers(data: Floats, xmin: float) -> Status:
    """Ok, with a sentence where whole numbers are fitted as continuous ones from too low a start."""
    if xmin >= _LEAST_WHOLE or not (data == np.rint(data)).all():
        return Status()
    message = (
        f"all values are whole numbers and the tail starts at {xmin:.4g}: this law is continuous and its alpha too "
        f"large there; fit a discrete power law, or pass an xmin of {_LEAST_WHOLE:.0f} or more"
    )
    return Status("ok", message)


def _with_bootstrap(fit: TailFit, replicates: TailBootstrap, data: Floats) -> TailFit:
    fit = replace(fit, p_value=replicates.p_value)
    if replicates.alphas.size >= _MIN_REPLICATES:
        low, high = log_interval(fit.alpha - 1, replicates.spread)
        fit = replace(fit, alpha_stderr=(fit.alpha - 1) * replicates.spread, alpha_interval=(1 + low, 1 + high))
    if replicates.alphas.size < _MIN_REPLICATES:
        return fit
    if not fit.status.ok:
        decades = math.log10(float(data[-1]) / fit.xmin)
        kept = replicates.p_value >= _RULED_OUT and not fit.rival.likelier
        return _long_up_to_its_end(fit, decades) if kept else fit
    if replicates.p_value >= _RULED_OUT:
        return fit
    return _nearly_exact(fit, data) if replicates.excess <= _TOLERANCE else _misfit(fit, data)


def _long_up_to_its_end(fit: TailFit, decades: float) -> TailFit:
    """Kept where it is steep and long enough to be no edge of a bulk."""
    if fit.alpha >= _LONG_ALPHA or decades < _LONG_DECADES:
        return fit
    message = f"a power law over {decades:.1f} decades, then an end (2 log ratio {fit.end_ratio:.1f})"
    return replace(fit, status=Status("ok", message), cause="then ends")


def _nearly_exact(fit: TailFit, data: Floats) -> TailFit:
    message = f"p = {fit.p_value:.2g}, but the tail is off by less than {_TOLERANCE:g} more than an exact one is"
    remedy = "a power law for most purposes; pass a larger xmin for a cleaner one"
    return replace(fit, status=Status("ok", f"{message}: {_heavier(fit, data) or remedy}"))


def _misfit(fit: TailFit, data: Floats) -> TailFit:
    other = " or ".join(filter(None, [_heavier(fit, data), "compare with other tails or laws"]))
    message = f"the power law is ruled out (p = {fit.p_value:.2g}); {other}"
    return replace(fit, status=Status("not_a_power_law", message), cause=f"p {fit.p_value:.2g}")


def _heavier(fit: TailFit, data: Floats) -> str:
    """What to try where the largest values alone are far heavier: the scan has settled in the body below them."""
    for share in _TOPS:
        top = data[-max(fit.n_tail // share, 1) :]
        if top.size < _MIN_REPLICATES or not top[-1] > top[0]:
            continue
        alpha = 1 + top.size / float(np.log(top / top[0]).sum())
        stderr = (alpha - 1) / math.sqrt(top.size)
        if alpha + _FAR_APART * stderr < fit.alpha:
            alone = f"the largest {top.size} values alone have alpha {alpha:.2f} +- {stderr:.2f}"
            return f"{alone}, so pass an xmin of about {top[0]:.4g}"
    return ""


def _short_tail(found: ScanResult | None, xmin: float | None) -> Status:
    size = 0 if found is None else found.n_tail
    where = "at the best xmin" if xmin is None else f"from xmin = {xmin:.4g} on"
    return Status("too_few_values", f"a tail of {size} values {where} where {_MIN_TAIL} are needed; pass a lower xmin")


def _failed(n: int, tail: Tail, status: Status) -> TailFit:
    nan = math.nan
    return TailFit(nan, nan, nan, 0, n, nan, tail=tail, status=status)
