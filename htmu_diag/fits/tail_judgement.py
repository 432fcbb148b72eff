"""What is said of a fitted power law: where it is ruled out, by which test, and what to try in its place."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from htmu_diag.fits.intervals import log_interval
from htmu_diag.fits.results import Status
from htmu_diag.fits.tail_bootstrap import TailBootstrap
from htmu_diag.fits.tail_fit import TailFit
from htmu_diag.fits.tail_rival import TailRival
from htmu_diag.spectrum import Floats

__all__ = ["first_judgement", "with_bootstrap"]

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
_OK = Status()


def first_judgement(data: Floats, xmin: float, end_ratio: float, rival: TailRival) -> tuple[Status, str]:
    """Status and cause without a p-value: ruled out by its end or by its rival, or ok."""
    if end_ratio > 0:
        likelier = f"a tail with a finite end is likelier (2 log ratio {end_ratio:.1f})"
        return Status("not_a_power_law", f"{likelier}; compare with a Marchenko-Pastur bulk"), "finite end"
    if rival.likelier:
        return Status("not_a_power_law", f"{rival.sentence}; compare with other tails or laws"), "exponential"
    return _whole_numbers(data, xmin), ""


def _whole_numbers(data: Floats, xmin: float) -> Status:
    """Ok, with a sentence where whole numbers are fitted as continuous ones from too low a start."""
    if xmin >= _LEAST_WHOLE or data[-1] != round(data[-1]) or not (data == np.rint(data)).all():
        return _OK
    message = (
        f"all values are whole numbers and the tail starts at {xmin:.4g}: this law is continuous and its alpha too "
        f"large there; fit a discrete power law, or pass an xmin of {_LEAST_WHOLE:.0f} or more"
    )
    return Status("ok", message)


def with_bootstrap(fit: TailFit, replicates: TailBootstrap, data: Floats) -> TailFit:
    """With the p-value of its replicates, error and interval from 30 of them on, and what they say of the law."""
    if replicates.alphas.size < _MIN_REPLICATES:
        return replace(fit, p_value=replicates.p_value)
    spread = replicates.spread
    low, high = log_interval(fit.alpha - 1, spread)
    fit = replace(
        fit,
        p_value=replicates.p_value,
        alpha_stderr=(fit.alpha - 1) * spread,
        alpha_interval=(1 + low, 1 + high),
    )
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
