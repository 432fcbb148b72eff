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
from htmu_diag.spectrum import Floats

__all__ = ["TailBootstrap", "bootstrap_tail"]


@dataclass(frozen=True)
class TailBootstrap:
    """alphas: (replicates,) refitted exponents; p_value: (1 + larger distances)/(1 + replicates)."""

    alphas: Floats
    p_value: float


def bootstrap_tail(
    values: Floats, found: ScanResult, replicates: int, rng: np.random.Generator, *, fixed_xmin: bool
) -> TailBootstrap:
    """Refit ``replicates`` synthetic samples like ascending ``values``; with ``fixed_xmin`` at the same xmin."""
    fits = [_refit(values, found, rng, fixed_xmin) for _ in range(replicates)]
    kept = [fit for fit in fits if fit is not None]
    worse = sum(fit.ks_distance >= found.ks_distance for fit in kept)
    return TailBootstrap(np.array([fit.alpha for fit in kept]), (1 + worse) / (1 + replicates))


def _refit(values: Floats, found: ScanResult, rng: np.random.Generator, fixed_xmin: bool) -> ScanResult | None:
    if fixed_xmin:
        return tail_at(np.sort(_power_law(found, found.n_tail, rng)), found.xmin)
    return scan(_replicate(values, found, rng))


def _replicate(values: Floats, found: ScanResult, rng: np.random.Generator) -> Floats:
    n = values.size
    in_tail = int(rng.binomial(n, found.n_tail / n))
    body = values[rng.integers(0, max(found.start, 1), n - in_tail)]
    return np.sort(np.concatenate((body, _power_law(found, in_tail, rng))))


def _power_law(found: ScanResult, size: int, rng: np.random.Generator) -> Floats:
    # an exponent near one has values beyond every float; they are cut where logarithms still work
    logs = np.minimum(rng.exponential(size=size) / (found.alpha - 1), 600.0 - math.log(found.xmin))
    return np.asarray(found.xmin * np.exp(np.minimum(logs, 700.0)))
