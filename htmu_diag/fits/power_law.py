"""Power-law tails: maximum likelihood above the xmin with the smallest KS distance (Clauset, Shalizi & Newman 2009)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import FLAG, GENERATOR, XMIN, checked, either, one_of, optional, whole
from htmu_diag.fits.checked_sample import Sample, checked_sample
from htmu_diag.fits.cross_check import powerlaw_difference
from htmu_diag.fits.intervals import normal_interval
from htmu_diag.fits.results import Status
from htmu_diag.fits.scan import ScanResult, tails_at
from htmu_diag.fits.scans import scans
from htmu_diag.fits.tail_bootstrap import Resampled, bootstrap_tails
from htmu_diag.fits.tail_end import end_statistics
from htmu_diag.fits.tail_fit import TailFit
from htmu_diag.fits.tail_judgement import first_judgement, with_bootstrap
from htmu_diag.fits.tail_rival import TailRival, exponential_rivals
from htmu_diag.spectrum import Floats

__all__ = ["RANDOM", "AskedTail", "fit_power_law", "fit_power_laws"]

Tail = Literal["upper", "lower"]
_MIN_TAIL = 5
_SEED = 20250603
RANDOM = optional(either(GENERATOR, whole(0)))


@dataclass(frozen=True)
class AskedTail:
    """What `fit_power_law` is asked for, argument by argument."""

    values: npt.ArrayLike | Sample
    xmin: float | None = None
    tail: Tail = "upper"
    bootstrap: int = 0
    rng: np.random.Generator | int | None = None
    cross_check: bool = False


@checked(
    xmin=optional(XMIN),
    tail=one_of("upper", "lower"),
    bootstrap=whole(0, 10**6),
    rng=RANDOM,
    cross_check=FLAG,
)
def fit_power_law(
    values: npt.ArrayLike,
    *,
    xmin: float | None = None,
    tail: Tail = "upper",
    bootstrap: int = 0,
    rng: np.random.Generator | int | None = None,
    cross_check: bool = False,
) -> TailFit:
    """Fit a density proportional to x**-alpha above xmin; see ``TailFit`` for what comes back.

    values: (n,) positive, in any order. xmin: start of the tail; None tries every value and takes the one with the
    smallest KS distance. tail: "lower" fits the upper tail of 1/values, and xmin is one of them (``exponent`` is that
    of the density at zero).
    bootstrap: replicates for the p-value; from 30 on they also give stderr and interval, with xmin searched for in
    each. rng: a seed, whose random numbers are kept, or a generator that draws new ones; a fixed seed by default.
    cross_check: refit with the powerlaw package and report the difference.

    The status is not_a_power_law where a tail with a finite end is far likelier (``tail_end``), where an exponential
    tail is likelier by a log ratio of 1 or more (``tail_rival``), or where the p-value is below 0.1 and the KS distance
    more than 0.015 beyond that of nine replicates in ten; but a power law of alpha below 3 over a decade or more with a
    p-value of 0.1 or more "fits, then ends". The numbers are given all the same, and `TailFit.verdict` says what they
    are good for. Whole numbers from a low xmin on are told in the message of an ok status. Raises InputError for
    anything but a flat array of real numbers and an xmin > 0.
    """
    return fit_power_laws([AskedTail(values, xmin, tail, bootstrap, rng, cross_check)])[0]


def fit_power_laws(asked: Sequence[AskedTail]) -> list[TailFit]:
    """The fits to many samples, each as `fit_power_law` gives it alone."""
    samples = [_sample(each) for each in asked]
    found = _tails(asked, samples)
    fits = [_failed(*each) for each in zip(asked, samples, found, strict=True)]
    tails = [(k, tail) for k, tail in enumerate(found) if tail is not None and tail.n_tail >= _MIN_TAIL]
    for (k, _), fit in zip(tails, _fits([(asked[k], samples[k].values, tail) for k, tail in tails]), strict=True):
        fits[k] = fit
    tested = [(k, _resampled(asked[k], samples[k].values, tail)) for k, tail in tails if asked[k].bootstrap > 0]
    for (k, each), replicates in zip(tested, bootstrap_tails([each for _, each in tested]), strict=True):
        fits[k] = with_bootstrap(fits[k], replicates, each.values)
    for k, tail in tails:
        if asked[k].cross_check:
            fits[k] = replace(fits[k], cross_check=powerlaw_difference(samples[k].values, tail, asked[k].xmin))
    return fits


def _sample(asked: AskedTail) -> Sample:
    sample = checked_sample(asked.values)
    return _reciprocal(sample) if asked.tail == "lower" else sample


def _tails(asked: Sequence[AskedTail], samples: Sequence[Sample]) -> list[ScanResult | None]:
    searched = [k for k, one in enumerate(samples) if one.status.ok and asked[k].xmin is None]
    found = dict(zip(searched, scans([samples[k].values for k in searched]), strict=True))
    known = {k: each.xmin for k, each in enumerate(asked) if samples[k].status.ok and each.xmin is not None}
    found.update(zip(known, tails_at([(samples[k].values, xmin) for k, xmin in known.items()]), strict=True))
    return [found.get(k) for k in range(len(samples))]


def _resampled(asked: AskedTail, values: Floats, found: ScanResult) -> Resampled:
    rng = _SEED if asked.rng is None else asked.rng
    return Resampled(values, found, asked.bootstrap, rng, fixed_xmin=asked.xmin is not None)


def _reciprocal(sample: Sample) -> Sample:
    if not sample.status.ok:
        return sample
    return Sample(1.0 / sample.values[::-1], sample.status)


def _fits(given: Sequence[tuple[AskedTail, Floats, ScanResult]]) -> list[TailFit]:
    """Without a bootstrap, of samples that have a tail."""
    ends = end_statistics([(data, found.start, asked.xmin is not None) for asked, data, found in given])
    rivals = exponential_rivals([(data[found.start :], found.xmin) for _, data, found in given])
    return [_judged(*one) for one in zip(given, ends, rivals, strict=True)]


def _judged(one: tuple[AskedTail, Floats, ScanResult], ended: float, rival: TailRival) -> TailFit:
    asked, data, found = one
    stderr = (found.alpha - 1) / math.sqrt(found.n_tail)
    status, cause = first_judgement(data, found.xmin, ended, rival)
    return TailFit(
        found.alpha,
        stderr,
        found.xmin,
        found.n_tail,
        data.size,
        found.ks_distance,
        alpha_interval=normal_interval(found.alpha, stderr),
        tail=asked.tail,
        status=status,
        end_ratio=ended,
        cause=cause,
        rival=rival,
    )


def _failed(asked: AskedTail, sample: Sample, found: ScanResult | None) -> TailFit:
    """What there is of a sample without a tail."""
    nan = math.nan
    status = _short_tail(found, asked.xmin) if sample.status.ok else sample.status
    return TailFit(nan, nan, nan, 0, sample.values.size, nan, tail=asked.tail, status=status)


def _short_tail(found: ScanResult | None, xmin: float | None) -> Status:
    size = 0 if found is None else found.n_tail
    where = "at the best xmin" if xmin is None else f"from xmin = {xmin:.4g} on"
    return Status("too_few_values", f"a tail of {size} values {where} where {_MIN_TAIL} are needed; pass a lower xmin")
