"""Theory: parameters in, predictions out."""

from htmu_diag.theory.entropy import eigenvector_entropy, haar_entropy
from htmu_diag.theory.exponents import (
    eigenvalue_exponent,
    estimated_exponent,
    inverse_htmp_tail_exponent,
    repulsion_for_tail_exponent,
)
from htmu_diag.theory.phases import Evidence, Phase, PhaseReading, classify
from htmu_diag.theory.spikes import bbp_threshold, population_spike, sample_spike, spike_overlap

__all__ = [
    "Evidence",
    "Phase",
    "PhaseReading",
    "bbp_threshold",
    "classify",
    "eigenvalue_exponent",
    "eigenvector_entropy",
    "estimated_exponent",
    "haar_entropy",
    "inverse_htmp_tail_exponent",
    "population_spike",
    "repulsion_for_tail_exponent",
    "sample_spike",
    "spike_overlap",
]
