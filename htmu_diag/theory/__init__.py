"""Theory: parameters in, predictions out."""

from htmu_diag.theory.entropy import eigenvector_entropy, haar_entropy
from htmu_diag.theory.exponents import (
    eigenvalue_exponent,
    estimated_exponent,
    inverse_htmp_tail_exponent,
    repulsion_for_tail_exponent,
)
from htmu_diag.theory.free_energy import SpectrumSize, free_energy, least_free_energy
from htmu_diag.theory.kernel_regression import kernel_regression_curve
from htmu_diag.theory.learning_curve import LearningCurve, learning_curve
from htmu_diag.theory.phases import Evidence, Phase, PhaseReading, classify
from htmu_diag.theory.scaling import Exponent, learning_exponent, rank_exponent, target_exponent
from htmu_diag.theory.spikes import bbp_threshold, population_spike, sample_spike, spike_overlap

__all__ = [
    "Exponent",
    "LearningCurve",
    "SpectrumSize",
    "free_energy",
    "kernel_regression_curve",
    "learning_curve",
    "learning_exponent",
    "least_free_energy",
    "rank_exponent",
    "target_exponent",
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
