"""The semi-parametric bootstrap of a power-law tail (Clauset, Shalizi & Newman 2009, section 4.1).

A replicate draws each value from the fitted power law with probability n_tail/n, and from the values below xmin
otherwise; xmin is searched for again in every replicate. The share of replicates with a larger KS distance is the
p-value, and the spread of their exponents includes the uncertainty of xmin, which (alpha - 1)/sqrt(n_tail) leaves out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from htmu_diag.fits.scan import ScanResult, scan, tail_at
from htmu_diag.fits.scan_rows import scan_rows
from htmu_diag.spectrum import Floats

__all__ = ["TailBootstrap", "bootstrap_tail"]

_AT_ONCE = 16384  # values of all samples that are refitted together: what a cache holds
_FEW = 4  # as many are faster one by one: they are large then


@dataclass(frozen=True)
class TailBootstrap:
    """alphas: (replicates,) refitted exponents; p_value: (1 + larger distances)/(1 + replicates)."""

    alphas: Floats
    p_value: float


def bootstrap_tail(
    values: Floats, found: ScanResult, replicates: int, rng: np.random.Generator, *, fixed_xmin: bool
) -> TailBootstrap:
    """Refit ``replicates`` synthetic samples like ascending ``values``; with ``fixed_xmin`` at the same xmin."""
    at_once = max(_AT_ONCE // values.size, 1)
    refit = _refit_tails if fixed_xmin else _refit
    fits = [refit(values, found, min(at_once, replicates - k), rng) for k in range(0, replicates, at_once)]
    alphas, distances = np.concatenate(fits, axis=1)
    kept = np.isfinite(distances)
    return TailBootstrap(alphas[kept], float((1 + (distances[kept] >= found.ks_distance).sum()) / (1 + replicates)))


def _refit(values: Floats, found: ScanResult, count: int, rng: np.random.Generator) -> Floats:
    """(2, count): exponents and KS distances of new samples, NaN where one has no tail."""
    n = values.size
    in_tail = rng.random((count, n)) < found.n_tail / n
    body = values[rng.integers(0, max(found.start, 1), (count, n))]
    samples = np.sort(np.where(in_tail, _power_law(found, (count, n), rng), body), axis=1)
    return np.stack(scan_rows(samples)) if count > _FEW else _numbers([scan(sample) for sample in samples])


def _refit_tails(values: Floats, found: ScanResult, count: int, rng: np.random.Generator) -> Floats:
    """As `_refit`, at the same xmin: of tails alone."""
    tails = np.sort(_power_law(found, (count, found.n_tail), rng), axis=1)
    return _numbers([tail_at(tail, found.xmin) for tail in tails])


def _numbers(fits: list[ScanResult | None]) -> Floats:
    return np.array([(fit.alpha, fit.ks_distance) if fit else (np.nan, np.nan) for fit in fits]).T


def _power_law(found: ScanResult, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    # an exponent near one has values beyond every float; they are cut where logarithms still work
    logs = np.minimum(rng.standard_exponential(shape) / (found.alpha - 1), 709.0 - math.log(found.xmin))
    return np.asarray(found.xmin * np.exp(np.minimum(logs, 700.0)))
