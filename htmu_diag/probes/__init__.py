"""Probes: what is measured at a step, when, and without disturbing the training.

``registry`` names the probes that ``watch(probes=[...])`` knows; each entry makes one with its default options.
"""

import functools
from collections.abc import Callable

from htmu_diag.model.quiet import quiet
from htmu_diag.probes.base import (
    LossFn,
    Need,
    ObservingProbe,
    Pending,
    Probe,
    Share,
    SharedProbe,
    StepContext,
)
from htmu_diag.probes.budget import Budget
from htmu_diag.probes.conjugate_kernel import ConjugateKernelProbe
from htmu_diag.probes.curvature import CurvatureProbe, fisher_probe, ggn_probe, hessian_probe, layer_probe
from htmu_diag.probes.declaration import Declaration
from htmu_diag.probes.gradient_noise import GradientNoiseProbe
from htmu_diag.probes.jacobian import JacobianProbe
from htmu_diag.probes.left_as_found import left_as_found
from htmu_diag.probes.ntk import NTKProbe
from htmu_diag.probes.probe_batch import stored_samples
from htmu_diag.probes.schedule import Every, Logarithmic, Schedule, ScheduleLike, Steps, schedule
from htmu_diag.probes.trajectory import TrajectoryProbe
from htmu_diag.probes.weights import WeightsProbe

__all__ = [
    "Budget",
    "ConjugateKernelProbe",
    "CurvatureProbe",
    "Declaration",
    "Every",
    "Logarithmic",
    "GradientNoiseProbe",
    "JacobianProbe",
    "LossFn",
    "NTKProbe",
    "Need",
    "ObservingProbe",
    "Pending",
    "Probe",
    "Schedule",
    "ScheduleLike",
    "Share",
    "SharedProbe",
    "StepContext",
    "Steps",
    "TrajectoryProbe",
    "WeightsProbe",
    "left_as_found",
    "quiet",
    "registry",
    "schedule",
    "stored_samples",
]

registry: dict[str, Callable[[], Probe]] = {
    "ntk": NTKProbe,
    "conjugate_kernel": ConjugateKernelProbe,
    "fisher": fisher_probe,
    "ggn": ggn_probe,
    "gradient_noise": GradientNoiseProbe,
    "hessian": hessian_probe,
    **{f"{kind}_layers": functools.partial(layer_probe, kind) for kind in ("hessian", "ggn", "fisher")},
    "jacobian": JacobianProbe,
    "weights": WeightsProbe,
    "trajectory": TrajectoryProbe,
}
