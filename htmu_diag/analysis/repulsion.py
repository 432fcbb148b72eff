"""Repulsion of eigenvalues, global and local: what a fitted kappa says about neighbours, and what neighbours say.

A low kappa has two readings. If eigenvalues really repel each other less, neighbours come close: at repulsion kappa/N
the mean gap ratio falls towards 0.386. If the population is spread (correlated inputs, spikes), the density is wide and
neighbours keep apart as in any random matrix: 0.531. So the pair (kappa, gap ratio) tells the causes apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from htmu_diag.fits import GapRatio, LawFit
from htmu_diag.fits.gaps import GOE, gap_ratio_at
from htmu_diag.laws.log_gap import log_gaps, repulsion_of_log_gap
from htmu_diag.spectrum import Floats
from htmu_diag.theory import Phase, PhaseReading
from htmu_diag.theory.free_energy import least_free_energy_of

__all__ = ["Repelling", "RepulsionReading", "read_repulsion", "read_repulsions", "with_cause"]

POPULATION = "population spread (correlation or spikes), not reduced repulsion"
REDUCED = "reduced repulsion or blocks"
FULL = "full repulsion, as in noise"
UNDECIDED = "undecided"
FAR = 3.0  # standard errors
CAUSED = (Phase.BULK_DECAY, Phase.HEAVY_TAILED)  # phases of a wide density, of which the gaps say why


@dataclass(frozen=True)
class RepulsionReading:
    """predicted: gap ratio at repulsion kappa/N. z, z_goe: the measured one less this, and less that of full repulsion,
    in standard errors. gap: J = log mean - mean log. kappa_moment: the kappa whose law has this J. sentence: what it
    means.
    """

    predicted: float
    z: float
    z_goe: float
    gap: float
    kappa_moment: float
    sentence: str

    def numbers(self) -> dict[str, float]:
        """By their names in `quantities`."""
        return {
            "gap_ratio_predicted": self.predicted,
            "gap_ratio_z": self.z,
            "gap_ratio_z_goe": self.z_goe,
            "log_gap": self.gap,
            "kappa_moment": self.kappa_moment,
            "free_energy": least_free_energy_of(self.gap),
        }


class Repelling(NamedTuple):
    """values: (n,) positive eigenvalues, gamma their aspect ratio; fit: HTMP of them, inverse: whether it is
    of the inverse law; gaps: their gap ratio."""

    values: Floats
    gamma: float
    fit: LawFit
    gaps: GapRatio
    inverse: bool


def read_repulsion(values: Floats, gamma: float, fit: LawFit, gaps: GapRatio, *, inverse: bool) -> RepulsionReading:
    """Of one spectrum, as in `Repelling`."""
    return read_repulsions([Repelling(values, gamma, fit, gaps, inverse)])[0]


def read_repulsions(spectra: Sequence[Repelling]) -> list[RepulsionReading]:
    """Of each."""
    some = [i for i, each in enumerate(spectra) if each.values.size]
    scaled = [each.values.min() / each.values if each.inverse else each.values for each in (spectra[i] for i in some)]
    known = dict(zip(some, log_gaps(scaled) if some else [], strict=True))  # of any unit
    return [_reading(each, known.get(i, math.nan)) for i, each in enumerate(spectra)]


def _reading(of: Repelling, gap: float) -> RepulsionReading:
    fit, gaps = of.fit, of.gaps
    known = fit.n and not math.isnan(fit.kappa)
    predicted = gap_ratio_at(fit.matrix_kappa / fit.n) if known else math.nan
    z, z_goe = ((gaps.mean - level) / _stderr(gaps) for level in (predicted, GOE))
    moment = min(repulsion_of_log_gap(gap, of.gamma), float(fit.n)) if math.isfinite(gap) else math.nan
    return RepulsionReading(predicted, z, z_goe, gap, moment, _sentence(predicted, z, z_goe))


def with_cause(phase: PhaseReading, repulsion: RepulsionReading) -> PhaseReading:
    """The phase, its reason with the cause that the gaps show: of a wide density, correlated data is one cause too."""
    if phase.phase not in CAUSED or repulsion.sentence != POPULATION:
        return phase
    return replace(phase, reason=f"{phase.reason}; {POPULATION}")


def _stderr(gaps: GapRatio) -> float:
    """Of the sample, but no less than that of full repulsion, 0.2/sqrt(n): short samples may happen to be smoother."""
    return max(gaps.stderr, 0.2 / math.sqrt(max(gaps.n, 1))) if gaps.n else math.nan


def _sentence(predicted: float, z: float, z_goe: float) -> str:
    if math.isnan(z) or math.isnan(z_goe):
        return ""
    if z_goe < -FAR:
        return REDUCED if z < FAR else UNDECIDED
    if z > FAR and z_goe > -FAR:
        return POPULATION
    return FULL if GOE - predicted < 0.01 and abs(z_goe) < FAR else UNDECIDED
