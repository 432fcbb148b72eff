"""Is an exponential tail as likely as the power law? (Vuong 1989; Clauset, Shalizi & Newman 2009, section 5.)

Above xmin both have one parameter, with its maximum in closed form: alpha = 1 + 1/mean log u and rate = 1/(mean u - 1),
u = x/xmin. The log ratio of their likelihoods over the spread of its terms is standard normal where both are equally
far from the truth. A search for xmin moves on until the rest is straight, so a light law passes a test of the power law
alone; but a few dozen of its values are as exponential as they are straight, and those of a power law are not. The
lognormal is no such rival: the power law is a limit of it, so it is never less likely.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from htmu_diag.fits.side_by_side import SideBySide
from htmu_diag.spectrum import Floats

__all__ = ["TailRival", "exponential_rival", "exponential_rivals"]

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
    return exponential_rivals([(tail, xmin)])[0]


def exponential_rivals(given: Sequence[tuple[Floats, float]]) -> list[TailRival]:
    """The same of several tails, each with its xmin."""
    if not given:
        return []
    tails = SideBySide.of([tail for tail, _ in given])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a tail of 300 decades has no rate
        u = tails.values / tails.each(np.array([xmin for _, xmin in given]))
        logs, beyond = np.log(u), u - 1
        mean_log, mean = tails.means(logs), tails.means(beyond)
        able = (mean_log > 0) & (mean > 0) & (mean < math.inf)
        ahead = np.log(mean / mean_log)
        terms = tails.each(ahead) - tails.each(1 + 1 / mean_log) * logs + beyond / tails.each(mean)
        total = tails.sums(terms)
        off = terms - tails.each(total / tails.sizes)
        spread = np.sqrt(tails.means(off * off)) * np.sqrt(tails.sizes)
    rows = zip(able.tolist(), total.tolist(), spread.tolist(), strict=True)
    return [
        TailRival(total, total / spread if spread > 0 else 0.0) if able else TailRival() for able, total, spread in rows
    ]
