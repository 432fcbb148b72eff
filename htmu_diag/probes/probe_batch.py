"""The samples that kernel probes look at: a seeded choice from the fixed batch, the same at every step.

The choice depends on the run's seed and the size of the batch alone, and uses a generator of its own: it can be made
again from the run's information, and draws nothing from the training's generators.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.sample_function import SampleFunction
from htmu_diag.probes.base import StepContext
from htmu_diag.probes.quiet import quiet

__all__ = ["chosen_rows", "evaluating", "probe_inputs", "probe_targets"]


def probe_inputs(context: StepContext, samples: int) -> Any:
    """Inputs of at most ``samples`` rows of the batch. Raises MeasurementError where there is no batch."""
    if context.batch is None:
        raise MeasurementError("this probe needs the fixed probe batch; pass watch(batch=(inputs, targets))")
    inputs = context.batch[0]
    return _rows(inputs, chosen_rows(_length(inputs), samples, context.seed))


def probe_targets(context: StepContext, samples: int) -> Tensor | None:
    """Targets of the same rows, None where the batch has none."""
    targets = context.batch[1] if context.batch is not None else None
    if not isinstance(targets, Tensor):
        return None
    return targets[chosen_rows(len(targets), samples, context.seed)]


def chosen_rows(total: int, samples: int, seed: int) -> Tensor:
    """Indices of the chosen rows, ascending; all of them where there are no more than ``samples``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(total, generator=generator)[:samples].sort().values


@contextmanager
def evaluating(context: StepContext) -> Iterator[torch.nn.Module]:
    """The model in eval mode, everything as found afterwards: per-sample Jacobians need fixed batch statistics."""
    with quiet(context.model):
        yield context.model.eval()


def _length(inputs: Any) -> int:
    return SampleFunction(torch.nn.Identity().eval(), inputs).n


def _rows(inputs: Any, index: Tensor) -> Any:
    if isinstance(inputs, Tensor):
        return inputs[index.to(inputs.device)]
    if isinstance(inputs, Mapping):
        return {key: _rows(value, index) for key, value in inputs.items()}
    return tuple(_rows(item, index) for item in inputs) if isinstance(inputs, tuple | list) else inputs
