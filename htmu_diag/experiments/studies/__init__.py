"""Experiments that are no single training: each takes a seed and settings and gives numbers and curves."""

from collections.abc import Callable
from typing import Any

from htmu_diag.experiments.studies.kernel_curve import kernel_curve
from htmu_diag.experiments.studies.network_curve import network_curve
from htmu_diag.experiments.studies.phase_truth import phase_truth

__all__ = ["STUDIES"]

STUDIES: dict[str, Callable[..., Any]] = {
    "kernel_curve": kernel_curve,
    "network_curve": network_curve,
    "phase_truth": phase_truth,
}
