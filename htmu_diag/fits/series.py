"""Tails of a series in time order: exponents of what is left after a running median.

A falling envelope makes light-tailed lengths look heavy (alpha 2.2 for chi-squared values under 1/(1 + t/50)). Each
value is divided by the median of its surroundings, 51 steps by default: long enough to leave single jumps alone, short
beside a schedule. The scan reads a law that is a power law only in the limit too low, here as everywhere: 1,000 values
of |t_3|, whose exponent is 4, read 3.2 with a scatter of 0.3, with and without an envelope.

Drift is how far that median moves; the autocorrelation of the logarithms of what is left tells whether the steps are
independent draws at all (momentum makes it 0.8 to 0.99, and then their tails say little).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.arguments import checked, whole
from htmu_diag.fits.checked_sample import as_values
from htmu_diag.fits.power_law import RANDOM, fit_power_law
from htmu_diag.fits.results import Interval
from htmu_diag.fits.tail_fit import TailFit
from htmu_diag.spectrum import Floats

__all__ = ["SeriesFit", "fit_series", "running_median"]

WINDOW = 51  # steps; 25 to 101 change alpha of |t_3| under an envelope by less than its error


@dataclass(frozen=True)
class SeriesFit:
    """left: (n,) values over their running median, the oldest first; upper, lower: tails of these.

    autocorrelation: of neighbouring logarithms of ``left``, with its 95 % interval for independent ones (-+ 2/sqrt n).
    drift: the largest running median over the smallest.
    """

    left: Floats
    upper: TailFit
    lower: TailFit
    autocorrelation: float
    independent: Interval
    drift: float


@checked(window=whole(1), bootstrap=whole(0, 10**6), rng=RANDOM)
def fit_series(
    values: npt.ArrayLike, *, window: int = WINDOW, bootstrap: int = 0, rng: np.random.Generator | int | None = None
) -> SeriesFit:
    """Detrend values (n,), the oldest first, and fit both tails; values of zero (no step was made) are left out.

    bootstrap, rng: as of `fit_power_law`, for the upper tail.
    """
    path = as_values(values)
    path = path[path != 0]
    median = running_median(path, window)
    left = path / median
    upper = fit_power_law(left, bootstrap=bootstrap, rng=rng)
    bound = 2 / math.sqrt(max(path.size, 1))
    drift = float(median.max() / median.min()) if median.size else math.nan
    return SeriesFit(left, upper, fit_power_law(left, tail="lower"), _correlation(left), (-bound, bound), drift)


def running_median(values: Floats, window: int = WINDOW) -> Floats:
    """(n,) medians over ``window`` values around each, the ends mirrored; over a third of a short series."""
    width = min(window, values.size // 3)
    return np.asarray(scipy.ndimage.median_filter(values, max(width, 1) | 1, mode="reflect")) if values.size else values


def _correlation(left: Floats) -> float:
    """Of neighbouring logarithms; NaN for fewer than four values and for constant ones."""
    if left.size < 4 or not (left > 0).all():
        return math.nan
    logs = np.log(left) - np.log(left).mean()
    total = float(logs @ logs)
    return float(logs[1:] @ logs[:-1]) / total if total > 0 else math.nan
