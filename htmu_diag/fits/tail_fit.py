"""A fitted tail, and in words what the fit is good for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from htmu_diag.fits.results import UNKNOWN, Interval, Status
from htmu_diag.fits.tail_rival import TailRival

__all__ = ["TailFit", "TailVerdict"]

_FEWEST = 20  # for a verdict on a tail: of 10 values a tail holds five, and its alpha is 4 +- 14
_WIDEST = 4.0  # of alpha: the exponents that are told apart go from 2 (heavy) to 6 (what noise has and more)
_CLEAR_END = 5.0  # twice a log ratio; where an edge of noise is at hand 3 does, since every such edge ends
_FITS_FROM = 0.1  # p-value
_LONG = 1.5  # decades; those of other laws that passed were nearly all shorter (docs/calibration.md)
_OK, _UNASKED = Status(), TailRival()


@dataclass(frozen=True)
class TailVerdict:
    """What a tail fit is good for.

    word: "fits"; "ruled out" (another tail is likelier); "too few" (values, for any verdict); "no fit".
    cause: why in two words ("finite end", "exponential", "p 0.02", "noise"); where it fits "then ends" of a long power
    law that fits up to an end, "or exponential" of one that is not preferred to an exponential tail, else empty.
    reason: the sentence, also of what fits over few decades.
    """

    word: Literal["fits", "ruled out", "too few", "no fit"]
    cause: str = ""
    reason: str = ""

    @property
    def label(self) -> str:
        """For a cell of a table: the word, with the cause of "ruled out" and the end of what fits up to one."""
        if self.word == "ruled out" and self.cause:
            return f"{self.word} ({self.cause})"
        return f"{self.word}, {self.cause}" if self.word == "fits" and self.cause else self.word


@dataclass(frozen=True)
class TailFit:
    """A power law fitted to a tail: density proportional to x**-alpha above xmin (below 1/xmin for the lower tail).

    alpha: exponent of the density; for ``tail="lower"`` the density at zero goes like x**(alpha - 2).
    alpha_stderr: standard error at fixed xmin, (alpha - 1)/sqrt(n_tail), or the bootstrap's where one was run.
    alpha_interval: 95 % interval.
    xmin: start of the tail, in the values' own unit.
    n_tail, n: values in the tail, and in all.
    ks_distance: largest distance between the tail's empirical CDF and the fitted one.
    p_value: of the semi-parametric bootstrap (Clauset, Shalizi & Newman 2009, section 4.1); NaN where none was run.
    end_ratio: twice the log ratio by which a tail with a finite end is likelier (``tail_end``), 0 where none is made
    out.
    cause: of the status, as in `TailVerdict`. rival: an exponential tail above the same xmin.
    cross_check: largest absolute difference in (alpha, xmin, ks_distance) from the powerlaw package; NaN if not asked.
    """

    alpha: float
    alpha_stderr: float
    xmin: float
    n_tail: int
    n: int
    ks_distance: float
    p_value: float = math.nan
    alpha_interval: Interval = UNKNOWN
    tail: Literal["upper", "lower"] = "upper"
    status: Status = _OK
    end_ratio: float = 0.0
    cross_check: float = math.nan
    cause: str = ""
    rival: TailRival = _UNASKED

    @property
    def verdict(self) -> TailVerdict:
        """Fits, ruled out or too few values to say, with the reason; the same words in every table and picture."""
        if self.status.code in ("degenerate", "bad_values"):
            return TailVerdict("no fit", self.status.code.replace("_", " "), self.status.message)
        if self.n < _FEWEST or self.status.code == "too_few_values":
            values = f"{self.n} value{'s' * (self.n != 1)}"
            few = f"{values}, where a verdict on a tail needs {_FEWEST}; use a larger matrix"
            return TailVerdict("too few", values, few if self.n < _FEWEST else self.status.message)
        if not self.status.ok:
            return TailVerdict("ruled out", self.cause, self.status.message)
        low, high = self.alpha_interval
        if not high - low <= _WIDEST:
            wide = f"alpha is anything from {low:.1f} to {high:.1f} (tail of {self.n_tail}); use a larger matrix"
            return TailVerdict("too few", f"tail of {self.n_tail}", wide)
        cause = self.cause or "or exponential" * self.rival.as_likely
        return TailVerdict("fits", cause, "; ".join(filter(None, [self.status.message, *self._short()])))

    def _short(self) -> list[str]:
        """What a tail that fits does not show, where it is short; its length is that of n_tail values of its law."""
        decades = math.log10(self.n_tail) / (self.alpha - 1)
        if decades >= _LONG:
            return [self.rival.sentence] * self.rival.as_likely
        return [f"over about {decades:.1f} decades, where lognormal tails often pass too", self.rival.sentence]

    def as_of_noise(self) -> TailFit:
        """This tail where most of it is a bulk of noise: what fits there is the edge of the bulk, no power law."""
        if self.verdict.word != "fits":
            return self
        message = "most of this tail are values of noise, the edge of a bulk; a few values look like any law"
        return replace(self, cause="noise", status=Status("not_a_power_law", message))

    def as_of_signal(self) -> TailFit:
        """This tail in a spectrum that is known not to be noise: there an end has to be clear to rule a power law out.

        Noise ends for sure, so an end that is a little likelier rules a power law out. Without that reason it takes
        twice a log ratio of 5; below it a tail that the p-value lets pass is kept.
        """
        weak = self.cause == "finite end" and self.end_ratio < _CLEAR_END and self.p_value >= _FITS_FROM
        if not weak:
            return self
        message = f"an end is only a little likelier (2 log ratio {self.end_ratio:.1f}), in a spectrum that is no noise"
        return replace(self, cause="", status=Status("ok", message))

    @property
    def exponent(self) -> float:
        """Power of the density in the tail: -alpha at infinity, alpha - 2 at zero for the lower tail."""
        return -self.alpha if self.tail == "upper" else self.alpha - 2
