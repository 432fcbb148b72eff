"""Power-law tails: maximum likelihood above the xmin with the smallest KS distance (Clauset, Shalizi & Newman 2009)."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import Sample, check_xmin, checked_sample
from htmu_diag.fits.cross_check import powerlaw_difference
from htmu_diag.fits.intervals import normal_interval
from htmu_diag.fits.results import Status, TailFit
from htmu_diag.fits.scan import ScanResult, scan, tail_at
from htmu_diag.fits.tail_bootstrap import TailBootstrap, bootstrap_tail
from htmu_diag.fits.tail_end import REJECT_ABOVE, end_statistic, largest_end_statistic
from htmu_diag.spectrum import Floats

__all__ = ["fit_power_law"]

Tail = Literal["upper", "lower"]
_MIN_TAIL = 5
# Clauset, Shalizi & Newman 2009, section 4.1: a power law is ruled out below 0.1
_RULED_OUT = 0.1
_MIN_REPLICATES = 30  # fewer say nothing about a share of 0.1, or about a spread
_SEED = 20250603


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

    The status is not_a_power_law where the p-value is below 0.1 or a tail with a finite end is far likelier
    (``tail_end``); the numbers are given all the same. Raises InputError for anything but a flat array of real numbers
    and an xmin > 0.
    """
    if tail not in ("upper", "lower"):
        raise InputError(f"tail={tail!r} is unknown; use 'upper' or 'lower'")
    if xmin is not None:
        check_xmin(xmin)
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
        fit = _with_bootstrap(fit, bootstrap_tail(data, found, bootstrap, generator, fixed_xmin=xmin is not None))
    return replace(fit, cross_check=powerlaw_difference(data, found, xmin)) if cross_check else fit


def _reciprocal(sample: Sample) -> Sample:
    if not sample.status.ok:
        return sample
    return Sample(1.0 / sample.values[::-1], sample.status)


def _estimate(data: Floats, found: ScanResult, tail: Tail, xmin: float | None) -> TailFit:
    stderr = (found.alpha - 1) / math.sqrt(found.n_tail)
    ended = end_statistic(data[found.start :]) if xmin is not None else largest_end_statistic(data, found.start)
    fit = TailFit(found.alpha, stderr, found.xmin, found.n_tail, data.size, found.ks_distance, tail=tail)
    return replace(fit, alpha_interval=normal_interval(found.alpha, stderr), status=_ends(ended))


def _ends(statistic: float) -> Status:
    if statistic <= REJECT_ABOVE:
        return Status()
    message = (
        f"a tail with a finite end is likelier (2 log ratio {statistic:.1f}); compare with a Marchenko-Pastur bulk"
    )
    return Status("not_a_power_law", message)


def _with_bootstrap(fit: TailFit, replicates: TailBootstrap) -> TailFit:
    fit = replace(fit, p_value=replicates.p_value)
    if replicates.alphas.size >= _MIN_REPLICATES:
        low, high = np.quantile(replicates.alphas, [0.025, 0.975])
        stderr = float(replicates.alphas.std(ddof=1))
        fit = replace(fit, alpha_stderr=stderr, alpha_interval=(float(low), float(high)))
    if replicates.p_value >= _RULED_OUT or not fit.status.ok or replicates.alphas.size < _MIN_REPLICATES:
        return fit
    message = f"the power law is ruled out (p = {replicates.p_value:.3f}); compare with other tails or laws"
    return replace(fit, status=Status("not_a_power_law", message))


def _short_tail(found: ScanResult | None, xmin: float | None) -> Status:
    size = 0 if found is None else found.n_tail
    where = "at the best xmin" if xmin is None else f"from xmin = {xmin:.4g} on"
    return Status("too_few_values", f"a tail of {size} values {where} where {_MIN_TAIL} are needed; pass a lower xmin")


def _failed(n: int, tail: Tail, status: Status) -> TailFit:
    nan = math.nan
    return TailFit(nan, nan, nan, 0, n, nan, tail=tail, status=status)
