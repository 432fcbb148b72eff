"""The five-plus-one phases of training, from a few numbers of a spectrum, with the reason in words.

The phases are those of Martin & Mahoney (JMLR 2021); the decision below replaces their visual reading by tests:
is the bulk Marchenko-Pastur, how many eigenvalues lie beyond its Tracy-Widom threshold and how far, is the tail a power
law, and is there mass at zero. The numerical thresholds are ours (not checked against the paper) and named below.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

__all__ = ["Evidence", "Phase", "PhaseReading", "classify"]

COLLAPSED_FRACTION = 0.1  # of the eigenvalues at numerical zero: a visible atom, far above what rounding leaves
# p-value below which the bulk is called "not Marchenko-Pastur"; with the one false spike in a thousand matrices, fewer
# than 1 % of the layers of a freshly initialised model are called trained
NOISE_LEVEL = 0.005
TAIL_LEVEL = 0.1  # p-value below which a power law is ruled out (Clauset, Shalizi & Newman 2009, section 4)
NEAR_EDGE = 1.25  # spikes below this multiple of the edge have bled out of the bulk rather than left it
HEAVY_ALPHA = 4.0  # exponents of eigenvalues below this count as heavy: variance of the entries is dominated by few


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

    zero_fraction: share of eigenvalues at numerical zero.
    bulk_p, n_spikes, spike_ratio: of the Marchenko-Pastur fit; largest spike over the bulk's upper edge.
    tail_ok, tail_p, alpha: of the power-law fit; tail_ok is its status.
    """

    zero_fraction: float
    bulk_p: float = math.nan
    n_spikes: int = 0
    spike_ratio: float = math.nan
    tail_ok: bool = False
    tail_p: float = math.nan
    alpha: float = math.nan


@dataclass(frozen=True)
class PhaseReading:
    """A phase and the sentence that says why."""

    phase: Phase
    reason: str


def classify(evidence: Evidence) -> PhaseReading:
    """The phase that the evidence supports."""
    if evidence.zero_fraction >= COLLAPSED_FRACTION:
        share = f"{100 * evidence.zero_fraction:.0f} % of the eigenvalues are zero to rounding"
        return PhaseReading(Phase.RANK_COLLAPSE, share)
    if math.isnan(evidence.bulk_p):
        return PhaseReading(Phase.UNDETERMINED, "no Marchenko-Pastur fit to compare with")
    if evidence.bulk_p >= NOISE_LEVEL:
        return _noise_with_spikes(evidence)
    return _beyond_noise(evidence)


def _noise_with_spikes(evidence: Evidence) -> PhaseReading:
    fits = f"the bulk is Marchenko-Pastur (p = {evidence.bulk_p:.2g})"
    if evidence.n_spikes == 0:
        return PhaseReading(Phase.RANDOM_LIKE, f"{fits}, no spikes")
    where = f"{evidence.n_spikes} beyond it, the largest at {evidence.spike_ratio:.2f} times the edge"
    if evidence.spike_ratio < NEAR_EDGE:
        return PhaseReading(Phase.BLEEDING_OUT, f"{fits}, {where}")
    return PhaseReading(Phase.BULK_AND_SPIKES, f"{fits}, {where}")


def _beyond_noise(evidence: Evidence) -> PhaseReading:
    rejected = f"the bulk is not Marchenko-Pastur (p = {evidence.bulk_p:.2g})"
    tail_stands = evidence.tail_ok and not evidence.tail_p < TAIL_LEVEL
    if tail_stands and evidence.alpha < HEAVY_ALPHA:
        return PhaseReading(
            Phase.HEAVY_TAILED, f"{rejected}; the tail is a power law with alpha = {evidence.alpha:.2f}"
        )
    if tail_stands:
        return PhaseReading(Phase.BULK_DECAY, f"{rejected}; the tail is light (alpha = {evidence.alpha:.1f})")
    return PhaseReading(Phase.BULK_DECAY, f"{rejected}; the tail is not a power law")
