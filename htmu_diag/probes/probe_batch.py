"""The samples that kernel probes look at: a seeded choice from the fixed batch, the same at every step.

The choice depends on the run's seed and the size of the batch alone, and uses a generator of its own: it draws nothing
from the training's generators. Fewer samples are a part of more (the first of one permutation), so that one set of
samples, the largest, is stored with the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from htmu_diag.errors import MeasurementError
from htmu_diag.model import states
from htmu_diag.model.quiet import quiet
from htmu_diag.operators.sample_function import SampleFunction, leaves
from htmu_diag.probes.base import StepContext

__all__ = ["chosen_count", "chosen_rows", "evaluating", "probe_inputs", "probe_targets", "stored_samples"]


def probe_inputs(context: StepContext, samples: int) -> Any:
    """Inputs of at most ``samples`` rows of the batch. Raises MeasurementError where there is no batch."""
    if context.batch is None:
        raise MeasurementError("this probe needs the fixed probe batch; pass watch(batch=(inputs, targets))")
    inputs = context.batch[0]
    return _rows(inputs, chosen_rows(_length(inputs), samples, context.seed))


def probe_targets(context: StepContext, samples: int) -> Tensor | None:
    """Targets of the same rows, None where the batch has no tensor with one for each input."""
    inputs, targets = context.batch if context.batch is not None else (None, None)
    if not isinstance(targets, Tensor) or targets.shape[:1] != (_length(inputs),):
        return None
    return targets[chosen_rows(len(targets), samples, context.seed).to(targets.device)]


def chosen_count(context: StepContext, samples: int) -> int:
    """How many rows of the batch that is; 0 without one."""
    return min(samples, _length(context.batch[0])) if context.batch is not None else 0


def stored_samples(context: StepContext, rows: Iterable[int]) -> dict[str, npt.NDArray[Any]]:
    """What probes look at that declare so many ``rows`` each, as arrays to store.

    ``rows`` (k,) of the batch, and ``inputs`` and ``targets`` there; several inputs have a name each, such as
    ``inputs['a']``. k is the largest number of rows; empty where no probe declares any.
    """
    most = max(rows, default=0)
    if context.batch is None or not most:
        return {}
    total = _length(context.batch[0])
    chosen = chosen_rows(total, most, context.seed)
    whole = [*leaves(context.batch[0], "inputs"), *leaves(context.batch[1], "targets")]
    kept = {name: _as_array(tensor[chosen.to(tensor.device)]) for name, tensor in whole if tensor.shape[:1] == (total,)}
    return {"rows": chosen.numpy(), **kept}


def chosen_rows(total: int, samples: int, seed: int) -> Tensor:
    """Indices of the chosen rows, ascending; all of them where there are no more than ``samples``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(total, generator=generator, device="cpu")[:samples].sort().values


@contextmanager
def evaluating(context: StepContext) -> Iterator[torch.nn.Module]:
    """The model in eval mode, and the modules of the loss: per-sample Jacobians need fixed batch statistics. Everything
    is as found afterwards.
    """
    modules = context.modules
    with quiet(*modules, loss_fn=context.loss_fn), states.evaluating(*modules[1:]):
        context.model.eval()
        yield context.model


def _as_array(tensor: Tensor) -> npt.NDArray[Any]:
    """On the host; types that numpy does not know (bfloat16) as float32."""
    host = tensor.detach().cpu()
    known = not host.is_floating_point() or host.dtype in (torch.float16, torch.float32, torch.float64)
    array: npt.NDArray[Any] = (host if known else host.float()).numpy()
    return array


def _length(inputs: Any) -> int:
    return SampleFunction(torch.nn.Identity().eval(), inputs).n


def _rows(inputs: Any, index: Tensor) -> Any:
    if isinstance(inputs, Tensor):
        return inputs[index.to(inputs.device)]
    if isinstance(inputs, Mapping):
        return {key: _rows(value, index) for key, value in inputs.items()}
    return tuple(_rows(item, index) for item in inputs) if isinstance(inputs, tuple | list) else inputs
