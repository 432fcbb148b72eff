"""J, the logarithm of the mean less the mean logarithm: one scale-free number of a spectrum, in closed form for HTMP.

By Jensen's inequality J >= 0, and J = 0 only for a single value; a floor under it is what Marchenko-Pastur noise has.
With shape a = (kappa/2)(1/gamma - 1) - 1 and c = kappa/2, E log y = (2/kappa) [ln Gamma(a + c + 1) - ln Gamma(a + 1)]
for the law at unit rate, whose mean is a + c + 1 = kappa/(2 gamma). J falls with kappa, so that it inverts to an
estimate of kappa from two averages: no fit, microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.arguments import real_array
from htmu_diag.errors import InputError
from htmu_diag.spectrum import Floats

__all__ = ["htmp_log_gap", "log_gamma", "log_gap", "log_gaps", "marchenko_pastur_log_gap", "repulsion_of_log_gap"]

_SECANTS, _WITHIN = 60, 1e-12  # steps at most; of kappa
LARGEST, SMALLEST = 1e8, 1e-8  # kappa beyond which its J is that of noise, or that of no repulsion, to rounding


def log_gap(values: npt.ArrayLike) -> float:
    """log(mean) - mean(log) of positive values (n,); infinite where a value is zero.

    Raises InputError for no values, and for negative or non-finite ones.
    """
    array = real_array(values)
    if not array.size or not np.isfinite(array).all() or array.min() < 0:
        raise InputError("J = log(mean) - mean(log) needs finite values from 0 on, at least one")
    return log_gaps([array.ravel()])[0]


def log_gaps(spectra: Sequence[Floats]) -> list[float]:
    """`log_gap` of each, of which none is empty; values that it refuses are not looked for."""
    sizes = np.array([values.size for values in spectra])
    flat, starts = np.concatenate(spectra), np.cumsum(sizes) - sizes
    largest = np.maximum.reduceat(flat, starts)  # whatever the unit, no sum overflows
    with np.errstate(divide="ignore", invalid="ignore"):
        means = np.add.reduceat(flat / np.repeat(largest, sizes), starts) / sizes
        gaps = np.log(means) + np.log(largest) - np.add.reduceat(np.log(flat), starts) / sizes
    found: list[float] = np.where(np.minimum.reduceat(flat, starts) == 0, math.inf, gaps).tolist()
    return found


def htmp_log_gap(kappa: float, gamma: float) -> float:
    """J of the HTMP law; infinite for square matrices, whose density has a logarithmic pole at zero, unless kappa is.

    >>> round(htmp_log_gap(2.0, 0.5), 6)  # y is exponential times a law of one: ln 2 - ln Gamma(2) + ln Gamma(1)
    0.693147
    """
    if not (0 < gamma <= 1 and kappa > 0):
        raise InputError(f"kappa = {kappa}, gamma = {gamma}: pass kappa > 0 and gamma in (0, 1]")
    if math.isinf(kappa) or kappa > LARGEST:
        return marchenko_pastur_log_gap(gamma)
    if gamma == 1:
        return math.inf
    upper = kappa / (2 * gamma)
    return math.log(upper) - (2 / kappa) * (log_gamma(upper) - log_gamma(upper - kappa / 2))


def log_gamma(x: float) -> float:
    """A tenth of the price of scipy's for one number, and without its import, where it exceeds no float."""
    return math.lgamma(x) if 0 < x < 1e300 else float(scipy.special.gammaln(x))


def marchenko_pastur_log_gap(gamma: float) -> float:
    """The limit of infinite repulsion, 1 + (1/gamma - 1) log(1 - gamma); 1 for square matrices."""
    return 1.0 if gamma == 1 else 1 + (1 / gamma - 1) * math.log1p(-gamma)


def repulsion_of_log_gap(gap: float, gamma: float) -> float:
    """The kappa whose HTMP law of this ratio has this J: infinite at or below that of Marchenko-Pastur noise, NaN for
    square matrices (J does not depend on kappa there) and for an infinite J.

    kappa times what J exceeds that of noise by is -log(1 - gamma) at large kappa and twice that at small, so that J is
    almost straight in 1/kappa, and its root lies between two ends that are known.
    """
    if not math.isfinite(gap) or gamma >= 1:
        return math.nan
    least, most = _ends(gamma)
    if gap <= least:
        return math.inf
    if gap >= most:
        return 0.0
    far = (marchenko_pastur_log_gap(gamma) - gap) / math.log1p(-gamma)
    excess = partial(_excess, gamma=gamma, gap=gap)
    low, high = max(far / 2, 1 / LARGEST), min(max(far, 2 / LARGEST), 1 / SMALLEST)
    below, above = excess(low), excess(high)
    if not below <= 0 <= above:  # far is rounding, or the ends are not what they should be
        low, high, below, above = 1 / LARGEST, 1 / SMALLEST, least - gap, most - gap
    return 1 / _rising_root(excess, low, high, below, above)


@lru_cache(maxsize=1024)
def _ends(gamma: float) -> tuple[float, float]:
    """J of the largest and of the smallest kappa."""
    return htmp_log_gap(LARGEST, gamma), htmp_log_gap(SMALLEST, gamma)


def _excess(inverse: float, gamma: float, gap: float) -> float:
    return htmp_log_gap(1 / inverse, gamma) - gap


def _rising_root(excess: Callable[[float], float], low: float, high: float, below: float, above: float) -> float:
    """Where a rising function, below and above zero at the ends, changes its sign: by bisection of the logarithm to a
    factor of two, then by the Illinois method (Dowell & Jarratt 1971), a secant that halves the value at an end which
    stays. As scipy.optimize gives it, without the third of a second that its import takes in the first diagnosis of a
    process."""
    while high > 2.1 * low:
        middle = math.sqrt(low * high)
        value = excess(middle)
        low, high, below, above = (middle, high, value, above) if value < 0 else (low, middle, below, value)
    at, side = low, 0
    for _ in range(_SECANTS):
        if above == below:
            break
        before, at = at, (low * above - high * below) / (above - below)
        value = excess(at)
        if value == 0 or abs(at - before) < _WITHIN * at:
            break
        if value < 0:
            above, low, below, side = above / 2 if side < 0 else above, at, value, -1
        else:
            below, high, above, side = below / 2 if side > 0 else below, at, value, 1
    return at
