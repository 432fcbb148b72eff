"""Power-law tails: maximum likelihood above the xmin with the smallest KS distance (Clauset, Shalizi & Newman 2009)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.errors import InputError
from htmu_diag.fits.results import Interval, Status, TailFit
from htmu_diag.fits.scan import ScanResult, scan, tail_at
from htmu_diag.fits.screen import screen
from htmu_diag.spectrum import Floats

__all__ = ["fit_power_law"]

Tail = Literal["upper", "lower"]
_Z95 = 1.959963984540054
_MIN_TAIL = 5


def fit_power_law(
    values: npt.ArrayLike,
    *,
    xmin: float | None = None,
    tail: Tail = "upper",
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
    cross_check: bool = False,
) -> TailFit:
    """Fit density proportional to x**-alpha above xmin; see TailFit for the fields.

    values: (n,) in any order. xmin: start of the tail; None scans every value for the smallest KS distance.
    tail: "lower" fits the upper tail of 1/values.
    """
    if tail not in ("upper", "lower"):
        raise InputError(f"tail={tail!r} is unknown; use 'upper' or 'lower'")
    sample = screen(values)
    if not sample.status.ok:
        return _failed(sample.values.size, tail, sample.status)
    data = sample.values if tail == "upper" else 1.0 / sample.values[::-1]
    found = scan(data) if xmin is None else tail_at(data, xmin)
    if found is None or found.n_tail < _MIN_TAIL:
        return _failed(data.size, tail, _short_tail(found, xmin))
    return _result(data, found, tail)


def _result(data: Floats, found: ScanResult, tail: Tail) -> TailFit:
    stderr = (found.alpha - 1) / math.sqrt(found.n_tail)
    return TailFit(
        found.alpha,
        stderr,
        found.xmin,
        found.n_tail,
        data.size,
        found.ks_distance,
        alpha_interval=normal_interval(found.alpha, stderr),
        tail=tail,
    )


def normal_interval(estimate: float, stderr: float) -> Interval:
    """The 95 % interval of a normal estimate."""
    return (estimate - _Z95 * stderr, estimate + _Z95 * stderr)


def _short_tail(found: ScanResult | None, xmin: float | None) -> Status:
    size = 0 if found is None else found.n_tail
    where = "at the best xmin" if xmin is None else f"above xmin = {xmin:.4g}"
    return Status("too_few_values", f"a tail of {size} values {where} where {_MIN_TAIL} are needed; lower xmin")


def _failed(n: int, tail: Tail, status: Status) -> TailFit:
    nan = math.nan
    return TailFit(nan, nan, nan, 0, n, nan, tail=tail, status=status)
