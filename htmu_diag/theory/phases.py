"""The five-plus-one phases of training, from a few numbers of a spectrum, with the reason in words.

The phases are those of Martin & Mahoney (JMLR 2021); the decision below replaces their visual reading by tests:
is there mass near zero, is the bulk Marchenko-Pastur beside its spikes, how strong are these, is the tail a power law
that is not what noise has. The numerical thresholds are ours (not checked against the paper) and named below; what they
get right and wrong on matrices whose phase is known is in docs/phases.md (``benchmarks/phases.py``).
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

from htmu_diag.fits.tail_fit import TailVerdict

__all__ = ["Evidence", "Phase", "PhaseReading", "classify"]

FEWEST = 20  # eigenvalues: with ten, four of five noise matrices look like anything
COLLAPSED = 0.1  # share near zero beyond that of noise: a visible atom, far above what rounding leaves
NOISE_LEVEL = 0.01  # p-value below which the bulk is called "not Marchenko-Pastur"
FURTHER_LEVEL = 0.001  # the same where nothing else has left the noise: one p-value moves a verdict by one phase only
STRONG = 3.0  # directions below this multiple of the strength from which they show have bled out rather than left
HEAVY_ALPHA = 4.0  # exponents of eigenvalues below this count as heavy: variance of the entries is dominated by few
LONG_SHARE, LONG_DECADES = 0.1, 0.4  # of the eigenvalues and of the axis: a shorter tail is a few values
CUT_ALPHA, CUT_DECADES = 3.0, 1.0  # a power law that ends is heavy all the same where it is as steep and as long
_UNKNOWN = TailVerdict("no fit")


class Phase(str, enum.Enum):
    """One of the five-plus-one phases, or ``undetermined`` where the evidence is missing."""

    RANDOM_LIKE = "random-like"
    BLEEDING_OUT = "bleeding-out"
    BULK_AND_SPIKES = "bulk+spikes"
    BULK_DECAY = "bulk-decay"
    HEAVY_TAILED = "heavy-tailed"
    RANK_COLLAPSE = "rank-collapse"
    UNDETERMINED = "undetermined"

    @property
    def order(self) -> int:
        """0 (random-like) to 5 (rank-collapse), for a curve; 6 for undetermined, which is never logged."""
        return list(Phase).index(self)


@dataclass(frozen=True)
class Evidence:
    """What the decision rests on. Unknown numbers are NaN.

    dimension: number of eigenvalues that the shape allows. near_zero: share of them near zero beyond that of noise
        (``theory.near_zero``).
    bulk_p, n_spikes: of the Marchenko-Pastur fit, beside its spikes; spike_strength: of the largest, in units of the
        strength from which a direction shows (sqrt(gamma), Baik, Ben Arous & Peche 2005).
    tail: verdict on the power-law fit. alpha, alpha_high: its exponent and the upper end of the 95 % interval.
    alpha_noise: exponent of noise of this shape. tail_share: eigenvalues in the tail over all; decades: log10 of the
        largest over xmin.
    """

    dimension: int
    near_zero: float = 0.0
    bulk_p: float = math.nan
    n_spikes: int = 0
    spike_strength: float = math.nan
    tail: TailVerdict = _UNKNOWN
    alpha: float = math.nan
    alpha_high: float = math.nan
    alpha_noise: float = math.inf
    tail_share: float = 0.0
    decades: float = 0.0


@dataclass(frozen=True)
class PhaseReading:
    """A phase, the sentence that says why, and how far the nearest deciding number is from its threshold (0 to 1)."""

    phase: Phase
    reason: str
    margin: float = math.nan


def classify(evidence: Evidence) -> PhaseReading:
    """The phase that the evidence supports."""
    if evidence.dimension < FEWEST:
        few = f"too few: {evidence.dimension} eigenvalues, where a phase needs {FEWEST}; use a larger matrix"
        return PhaseReading(Phase.UNDETERMINED, few)
    if evidence.near_zero >= COLLAPSED:
        share = f"{100 * evidence.near_zero:.0f} % of the eigenvalues are near zero, beyond what noise has there"
        return PhaseReading(Phase.RANK_COLLAPSE, share, _within(evidence.near_zero / COLLAPSED - 1))
    if math.isnan(evidence.bulk_p):
        return PhaseReading(Phase.UNDETERMINED, "no Marchenko-Pastur fit to compare with")
    reading = _among_the_others(evidence)
    return replace(reading, margin=min(reading.margin, _within(1 - evidence.near_zero / COLLAPSED)))


def _among_the_others(evidence: Evidence) -> PhaseReading:
    if evidence.bulk_p >= NOISE_LEVEL:
        return _noise_with_spikes(evidence)
    if evidence.bulk_p >= FURTHER_LEVEL and not evidence.spike_strength >= STRONG:
        return _barely_beyond_noise(evidence)
    return _beyond_noise(evidence)


def _noise_with_spikes(evidence: Evidence) -> PhaseReading:
    fits, margin = f"the bulk is Marchenko-Pastur (p = {evidence.bulk_p:.2g})", _decades(evidence.bulk_p, NOISE_LEVEL)
    if evidence.n_spikes == 0:
        return PhaseReading(Phase.RANDOM_LIKE, f"{fits}, no spikes", margin)
    where = f"{fits}, {_spikes(evidence)}"
    margin = min(margin, _within(abs(math.log2(evidence.spike_strength / STRONG))))
    phase = Phase.BLEEDING_OUT if evidence.spike_strength < STRONG else Phase.BULK_AND_SPIKES
    return PhaseReading(phase, where, margin)


def _barely_beyond_noise(evidence: Evidence) -> PhaseReading:
    margin = min(_decades(evidence.bulk_p, NOISE_LEVEL), _decades(evidence.bulk_p, FURTHER_LEVEL))
    odd = f"the bulk is hardly Marchenko-Pastur (p = {evidence.bulk_p:.2g})"
    return PhaseReading(Phase.BLEEDING_OUT, f"{odd}, {_spikes(evidence)}", margin)


def _spikes(evidence: Evidence) -> str:
    if evidence.n_spikes == 0:
        return "no spikes"
    return f"{evidence.n_spikes} beyond it, the largest {evidence.spike_strength:.1f} times what it takes to show"


def _beyond_noise(evidence: Evidence) -> PhaseReading:
    rejected = f"the bulk is not Marchenko-Pastur (p = {evidence.bulk_p:.2g})"
    level = FURTHER_LEVEL if not evidence.spike_strength >= STRONG else NOISE_LEVEL
    lacking = {why: short for why, short in _tests(evidence).items() if short < 0}
    margin = _decades(evidence.bulk_p, level)
    if lacking:
        why, short = min(lacking.items(), key=lambda pair: pair[1])
        return PhaseReading(Phase.BULK_DECAY, f"{rejected}; {why}", min(margin, _within(-short)))
    tail = f"the tail is a power law with alpha = {evidence.alpha:.2f} over {evidence.decades:.1f} decades"
    ends = "" if evidence.tail.word == "fits" else ", then ends"
    return PhaseReading(
        Phase.HEAVY_TAILED, f"{rejected}; {tail}{ends}", min(margin, *map(_within, _tests(evidence).values()))
    )


def _tests(evidence: Evidence) -> dict[str, float]:
    """What a heavy tail must pass: how it is said where it fails, and by how much it passes (negative: fails)."""
    verdict = evidence.tail
    cut = verdict.word == "ruled out" and evidence.alpha < CUT_ALPHA and evidence.decades >= CUT_DECADES
    stands = 1.0 if verdict.word == "fits" or cut else -0.5 if verdict.word == "too few" else -1.0
    if stands < 0:  # no other test means anything then
        short = verdict.word == "too few"
        return {"too few for its tail" if short else f"the tail is no power law ({verdict.cause})": stands}
    alpha, high, noise = evidence.alpha, evidence.alpha_high, evidence.alpha_noise
    away = math.inf if math.isinf(noise) or math.isnan(noise) else (noise - high) / max(high - alpha, 1e-9)
    return {
        f"the tail is light (alpha = {alpha:.1f})": math.log2(HEAVY_ALPHA / alpha) * 2,
        f"alpha is no more than what noise of this shape has ({noise:.1f})": away,
        f"the tail is short ({100 * evidence.tail_share:.0f} % of the values)": math.log2(
            max(evidence.tail_share, 1e-9) / LONG_SHARE
        ),
        f"the tail is short ({evidence.decades:.1f} decades)": 2 * (evidence.decades / LONG_DECADES - 1),
    }


def _decades(p: float, level: float) -> float:
    return _within(abs(math.log10(p / level)))


def _within(margin: float) -> float:
    return min(max(margin, 0.0), 1.0)
