"""The five-plus-one phases of training, from a few numbers of a spectrum, with the reason in words.

A heavy tail is one that the verdict on the tail keeps (``TailFit.verdict``), and noise has none
(``TailFit.as_of_noise``), so the two never contradict each other.
The phases are those of Martin & Mahoney (JMLR 2021); the decision below replaces their visual reading by tests: is
there mass near zero, is the bulk Marchenko-Pastur beside its spikes, how strong are these, is the tail a power law that
is not what noise has. Its thresholds are ours; docs/phases.md has what they get right and wrong.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

from htmu_diag.fits.intervals import Z95
from htmu_diag.fits.null_table import LEAST_P, is_least
from htmu_diag.fits.tail_fit import TailVerdict

__all__ = ["EQUAL", "NOT_CLASSIFIED", "Evidence", "Phase", "PhaseReading", "classify", "pooled_reading"]

FEWEST_EQUAL = 4  # two or three eigenvalues of noise may be equal by chance
FEWEST = 20  # eigenvalues: with ten, four of five noise matrices look like anything
COLLAPSED = 0.1  # share near zero beyond that of noise: a visible atom, far above what rounding leaves
NOISE_LEVEL = 0.01  # p-value below which the bulk beside spikes is called "not Marchenko-Pastur"
ALONE_LEVEL = 0.005  # the same without spikes: of noise matrices 1.1 % lie below 0.01, 0.6 % below this
FURTHER_LEVEL = 0.001  # the same where nothing else has left the noise: one p-value moves a verdict by one phase only
STRONG = 3.0  # directions below this multiple of the strength from which they show have bled out rather than left
HEAVY_ALPHA = 4.0  # exponents of eigenvalues below this count as heavy: variance of the entries is dominated by few
LONG_SHARE, LONG_DECADES = 0.1, 0.4  # of the eigenvalues and of the axis: a shorter tail is a few values
MANY_SPIKES = 1 / 3  # of the eigenvalues: as many directions that follow a power law are a tail of the population
FEW_SHARE, MANY_DECADES = 0.05, 1.0  # or half as many values over a decade
BELOW_NOISE = 1.64  # standard errors of log(alpha - 1) from noise's: one in twenty, on one side
ALL_EQUAL = 0.05  # of the width of noise of the shape: what rounding of an orthogonal matrix leaves, in bfloat16 too
EQUAL = {  # what a spectrum without a phase is, by its name
    "all equal": "a multiple of an orthogonal matrix, as orthogonal initialisation makes it",
    "mostly equal": "an orthogonal matrix with changes of low rank; look at the largest and the smallest",
}
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

    @property
    def is_noise(self) -> bool:
        """Whether the bulk is noise and nothing is well apart from it: there is no tail but the bulk's edge."""
        return self in (Phase.RANDOM_LIKE, Phase.BLEEDING_OUT)


@dataclass(frozen=True)
class Evidence:
    """What the decision rests on. Unknown numbers are NaN.

    dimension: number of eigenvalues that the shape allows. near_zero: share of them near zero beyond that of noise
        (``theory.near_zero``). width, middle_width: from the smallest to the largest of them, and between their
        quartiles, over the same of noise of this shape.
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
    width: float = math.nan
    middle_width: float = math.nan


@dataclass(frozen=True)
class PhaseReading:
    """A phase, the sentence that says why, and how far the nearest deciding number is from its threshold (0 to 1).

    name: what the spectrum is where that is known and no phase: "all equal", "mostly equal"; else empty.
    """

    phase: Phase
    reason: str
    margin: float = math.nan
    name: str = ""


NOT_CLASSIFIED = PhaseReading(Phase.UNDETERMINED, "not classified")


def pooled_reading(matrices: int) -> PhaseReading:
    """What is said of the eigenvalues of several matrices together: laws, gaps and phases are those of one."""
    said = f"values of {matrices} matrices together, where a phase, a law and gaps are those of one"
    return PhaseReading(Phase.UNDETERMINED, said)


def classify(evidence: Evidence) -> PhaseReading:
    """The phase that the evidence supports."""
    if evidence.dimension >= FEWEST_EQUAL and evidence.width < ALL_EQUAL:
        return _all_equal(evidence)
    if evidence.dimension < FEWEST:
        values = f"{evidence.dimension} eigenvalue{'s' * (evidence.dimension != 1)}"
        return PhaseReading(Phase.UNDETERMINED, f"{values}, where a phase needs {FEWEST}; use a larger matrix")
    if evidence.middle_width < ALL_EQUAL:
        return _mostly_equal()
    if evidence.near_zero >= COLLAPSED:
        share = f"{100 * evidence.near_zero:.0f} % of the eigenvalues are near zero, beyond what noise has there"
        return PhaseReading(Phase.RANK_COLLAPSE, share, _within(evidence.near_zero / COLLAPSED - 1))
    if math.isnan(evidence.bulk_p):
        return PhaseReading(Phase.UNDETERMINED, "no Marchenko-Pastur fit to compare with")
    reading = _among_the_others(evidence)
    return replace(reading, margin=min(reading.margin, _within(1 - evidence.near_zero / COLLAPSED)))


def _all_equal(evidence: Evidence) -> PhaseReading:
    """No noise, and nothing learned yet."""
    values = f"all {evidence.dimension} eigenvalues are equal"
    if evidence.width > 1e-6:
        values += f", or nearly so (their spread is {100 * evidence.width:.2g} % of that of noise)"
    return PhaseReading(Phase.UNDETERMINED, f"{values}: {EQUAL['all equal']}", name="all equal")


def _mostly_equal() -> PhaseReading:
    values = "half of the eigenvalues and more are equal or nearly so"
    return PhaseReading(Phase.UNDETERMINED, f"{values}: {EQUAL['mostly equal']}", name="mostly equal")


def _among_the_others(evidence: Evidence) -> PhaseReading:
    if evidence.bulk_p >= _level(evidence):
        return _noise_with_spikes(evidence)
    if evidence.bulk_p >= FURTHER_LEVEL and not evidence.spike_strength >= STRONG:
        return _barely_beyond_noise(evidence)
    return _beyond_noise(evidence)


def _level(evidence: Evidence) -> float:
    """p-value below which the bulk is called "not Marchenko-Pastur"."""
    return NOISE_LEVEL if evidence.n_spikes else ALONE_LEVEL


def _noise_with_spikes(evidence: Evidence) -> PhaseReading:
    fits = f"the bulk is Marchenko-Pastur ({_p(evidence)})"
    margin = _decades(evidence.bulk_p, _level(evidence))
    if evidence.n_spikes == 0:
        return PhaseReading(Phase.RANDOM_LIKE, f"{fits}, no spikes", margin)
    many = _many_spikes(evidence)
    if many >= 0 and min(_tests(evidence).values()) >= 0:
        return _heavy(
            evidence,
            f"{fits} beside {evidence.n_spikes} spike{'s' * (evidence.n_spikes != 1)}",
            min(margin, _within(many)),
        )
    where = f"{fits}, {_spikes(evidence)}"
    margin = min(margin, _within(abs(math.log2(evidence.spike_strength / STRONG))))
    phase = Phase.BLEEDING_OUT if evidence.spike_strength < STRONG else Phase.BULK_AND_SPIKES
    return PhaseReading(phase, where, margin)


def _p(evidence: Evidence) -> str:
    return f"p below {LEAST_P:g}" if is_least(evidence.bulk_p) else f"p = {evidence.bulk_p:.2g}"


def _many_spikes(evidence: Evidence) -> float:
    """By how much the spikes are too many and too far apart for a few directions (negative: they are not)."""
    share = evidence.n_spikes / evidence.dimension / MANY_SPIKES
    return min(share - 1, evidence.decades / MANY_DECADES - 1)


def _barely_beyond_noise(evidence: Evidence) -> PhaseReading:
    margin = min(_decades(evidence.bulk_p, _level(evidence)), _decades(evidence.bulk_p, FURTHER_LEVEL))
    odd = f"the bulk is hardly Marchenko-Pastur ({_p(evidence)})"
    return PhaseReading(Phase.BLEEDING_OUT, f"{odd}, {_spikes(evidence)}", margin)


def _spikes(evidence: Evidence) -> str:
    if evidence.n_spikes == 0:
        return "no spikes"
    return f"{evidence.n_spikes} beyond it, the largest {evidence.spike_strength:.1f} times what it takes to show"


def _beyond_noise(evidence: Evidence) -> PhaseReading:
    rejected = f"the bulk is not Marchenko-Pastur ({_p(evidence)})"
    level = FURTHER_LEVEL if not evidence.spike_strength >= STRONG else NOISE_LEVEL
    lacking = {why: short for why, short in _tests(evidence).items() if short < 0}
    margin = _decades(evidence.bulk_p, level)
    if lacking:
        why, short = min(lacking.items(), key=lambda pair: pair[1])
        return PhaseReading(Phase.BULK_DECAY, f"{rejected}; {why}", min(margin, _within(-short)))
    return _heavy(evidence, rejected, margin)


def _heavy(evidence: Evidence, bulk: str, margin: float) -> PhaseReading:
    tail = f"the tail is a power law with alpha = {evidence.alpha:.2f} over {evidence.decades:.1f} decades"
    ends = f", {evidence.tail.cause}" if evidence.tail.cause else ""
    least = min(margin, *map(_within, _tests(evidence).values()))
    return PhaseReading(Phase.HEAVY_TAILED, f"{bulk}; {tail}{ends}", least)


def _tests(evidence: Evidence) -> dict[str, float]:
    """What a heavy tail must pass: how it is said where it fails, and by how much it passes (negative: fails)."""
    verdict = evidence.tail
    if verdict.word == "too few":  # no other test means anything then, as where it does not fit
        return {"too few for its tail": -0.5}
    if verdict.word != "fits":
        return {f"the tail is no power law ({verdict.cause})": -1.0}
    values, decades = evidence.tail_share, evidence.decades
    long = min(math.log2(max(values, 1e-9) / LONG_SHARE), 2 * (decades / LONG_DECADES - 1))
    longer = min(math.log2(max(values, 1e-9) / FEW_SHARE), 2 * (decades / MANY_DECADES - 1))
    return {
        f"the tail is light (alpha = {evidence.alpha:.1f})": math.log2(HEAVY_ALPHA / evidence.alpha) * 2,
        f"alpha is no more than what noise of this shape has ({evidence.alpha_noise:.1f})": _below_noise(evidence),
        f"the tail is short ({100 * values:.0f} % of the values, {decades:.1f} decades)": max(long, longer),
    }


def _below_noise(evidence: Evidence) -> float:
    """Standard errors of log(alpha - 1) beyond those that it takes; a lower alpha is heavier."""
    noise = evidence.alpha_noise
    if math.isinf(noise) or math.isnan(noise):
        return math.inf
    if not noise > 1:
        return -math.inf
    stderr = (math.log(evidence.alpha_high - 1) - math.log(evidence.alpha - 1)) / Z95
    return math.log((noise - 1) / (evidence.alpha - 1)) / max(stderr, 1e-9) - BELOW_NOISE


def _decades(p: float, level: float) -> float:
    return _within(abs(math.log10(p / level)))


def _within(margin: float) -> float:
    return min(max(margin, 0.0), 1.0)
