"""Failures of automatic differentiation, said in one sentence that names the module and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from htmu_diag.errors import MeasurementError
from htmu_diag.model.names import clean_name
from htmu_diag.operators.batches import Batch, tensors_of
from htmu_diag.operators.differentiable_model import DifferentiableModel
from htmu_diag.operators.local_check import failing_modules

__all__ = ["explained", "first_non_finite"]

# part of PyTorch's message -> what to do about it
_REMEDIES = {
    "Checkpointing is not compatible": "use activation checkpointing with use_reentrant=False",
    "torch.utils.checkpoint": "use activation checkpointing with use_reentrant=False",
    "once_differentiable": "write its backward with differentiable operations and drop @once_differentiable",
    "sparse tensors": "set sparse=False in the embedding",
    "is not implemented": "use a kernel with a second derivative, or exclude the layer by include=",
    "does not require grad": "a custom function breaks the graph; write its backward with differentiable operations",
    "inplace operation": "a tensor that the graph needs was changed in place; use the out-of-place operation",
    "forward AD": "use a kernel with a second derivative, or exclude the layer",
}


@contextmanager
def explained(stage: DifferentiableModel, batch: Batch) -> Iterator[None]:
    """Turn PyTorch's error about derivatives into a MeasurementError; other errors pass."""
    try:
        yield
    except RuntimeError as problem:
        remedy = next((remedy for part, remedy in _REMEDIES.items() if part in str(problem)), None)
        if remedy is None or isinstance(problem, MeasurementError):
            raise
        where = ", ".join(failing_modules(stage, batch)) or type(stage.model).__name__
        message = str(problem).splitlines()[0]
        raise MeasurementError(f"{where}: no second derivative ({message}); {remedy}") from problem


def first_non_finite(stage: DifferentiableModel, batch: Batch) -> str:
    """The first module whose output is NaN or infinite; "inputs" or "loss_fn" where it is none."""
    if any(x.is_floating_point() and not bool(torch.isfinite(x).all()) for x in tensors_of(batch.inputs)):
        return "inputs"
    found: list[str] = []

    def watch(name: str) -> Any:
        def hook(module: torch.nn.Module, arguments: Any, output: Any) -> None:
            bad = isinstance(output, torch.Tensor) and not bool(torch.isfinite(output).all())
            if bad and not any(True for _ in module.children()):
                found.append(clean_name(name) or type(module).__name__)

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in stage.model.named_modules()]
    try:
        with torch.no_grad():
            batch.call(stage.model)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else "loss_fn"
