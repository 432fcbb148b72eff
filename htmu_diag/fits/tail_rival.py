"""Is an exponential tail as likely as the power law? (Vuong 1989; Clauset, Shalizi & Newman 2009, section 5.)

Above xmin both have one parameter, with its maximum in closed form: alpha = 1 + 1/mean log u and rate = 1/(mean u - 1),
u = x/xmin. The log ratio of their likelihoods over the spread of its terms is standard normal where both are equally
far from the truth. A search for xmin moves on until the rest is straight, so a light law passes a test of the power law
alone; but a few dozen of its values are as exponential as they are straight, and those of a power law are not. The
lognormal is no such rival: the power law is a limit of it, so it is never less likely.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from htmu_diag.spectrum import Floats

__all__ = ["TailRival", "exponential_rival"]

# of the log ratio: half of the half normals that passed all else lie below, 3 % of power laws (100 values), and without
# a p-value 6 % of |t_3|, 16 % of |t_4| (1,000 values; none at 10,000)
_LIKELIER = -1.0
_PREFERRED = 1.28  # normal quantile: one in ten of equally good laws lies above


@dataclass(frozen=True)
class TailRival:
    """log_ratio: log likelihood of the power law less that of the exponential; normalized: over its standard error."""

    log_ratio: float = math.nan
    normalized: float = math.nan

    @property
    def likelier(self) -> bool:
        """Whether the exponential is clearly the likelier of the two."""
        return self.log_ratio <= _LIKELIER

    @property
    def as_likely(self) -> bool:
        """Whether the power law is not preferred to it."""
        return self.normalized < _PREFERRED

    @property
    def sentence(self) -> str:
        """Which of the two is likelier, and by how much; empty where it was not asked."""
        if math.isnan(self.log_ratio):
            return ""
        word = "likelier" if self.likelier else "as likely" if self.as_likely else "less likely"
        return f"an exponential tail is {word} (log ratio {-self.log_ratio:+.1f})"


def exponential_rival(tail: Floats, xmin: float) -> TailRival:
    """From the values (n,) of a tail, xmin and above, not all equal."""
    with np.errstate(over="ignore"):  # a tail of 300 decades: there is no rate then
        u = tail / xmin
        logs, beyond = np.log(u), u - 1
        mean_log, mean = float(logs.mean()), float(beyond.mean())
    if not (mean_log > 0 and 0 < mean < math.inf):
        return TailRival()
    terms = math.log(mean / mean_log) - (1 + 1 / mean_log) * logs + beyond / mean
    spread = float(terms.std()) * math.sqrt(terms.size)
    total = float(terms.sum())
    return TailRival(total, total / spread if spread > 0 else 0.0)
