"""A model measured at a step and left as it was: what can be changed is put aside first, where anything can be.

`quiet` looks at every module, parameter and buffer: longer than copying the weights of a small model. A snapshot that
copies memory, and runs nothing of the model, changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import torch

from htmu_diag.model.quiet import quiet
from htmu_diag.probes.base import Probe, StepContext
from htmu_diag.probes.weights import WeightsProbe

__all__ = ["left_as_found"]


def left_as_found(probes: Sequence[Probe], context: StepContext) -> contextlib.AbstractContextManager[None]:
    """A block in which these probes measure at the step of the context."""
    if all(type(probe) is WeightsProbe and probe.only_reads(context) for probe in probes):
        return torch.inference_mode(False)
    return quiet(*context.modules, loss_fn=context.loss_fn)
