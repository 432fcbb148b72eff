"""What is handed to ``watch``, brought into one form and checked before the training begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from htmu_diag.counting.counter import shares_parameters
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.probes import StepContext
from htmu_diag.recording.complaints import Complaints

__all__ = ["as_batch", "check_model", "one_model"]


def one_model(model: Any) -> torch.nn.Module:
    """The model; several of them (a list, or a dict by name) as one. Raises InputError for anything else."""
    if isinstance(model, torch.nn.Module):
        return model
    parts = list(model.values()) if isinstance(model, Mapping) else list(model) if isinstance(model, Iterable) else []
    if not parts or not all(isinstance(part, torch.nn.Module) for part in parts):
        hint = "load it first, and pass the module" if isinstance(model, str) else "pass the module itself"
        kind = "a dict of other things" if isinstance(model, Mapping) else type(model).__name__
        raise InputError(f"watch() takes a torch.nn.Module, a list or a dict of them, not {kind}; {hint}")
    return torch.nn.ModuleDict(model) if isinstance(model, Mapping) else torch.nn.ModuleList(parts)


def as_batch(batch: Any) -> tuple[Any, Any] | None:
    """(inputs, targets); the targets of a dict of keyword arguments are its "labels". Raises InputError."""
    if batch is None:
        return None
    if isinstance(batch, Mapping):
        return batch, batch.get("labels")
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    raise InputError(
        f"batch is (inputs, targets) or a dict of keyword arguments, not {type(batch).__name__}; pass "
        "batch=(inputs, targets), with None as targets where there are none"
    )


def check_model(context: StepContext, complaints: Complaints) -> None:
    """Raises InputError where the optimizer belongs to another model; a model that nothing can train is told."""
    name = type(context.model).__name__
    if not any(parameter.requires_grad for parameter in context.model.parameters()):
        frozen = MeasurementError(f"{name}: no parameter requires a gradient, so no optimizer will change it")
        complaints.add("model", frozen)
    optimizer = context.optimizer
    if optimizer is not None and not shares_parameters(context.model, optimizer):
        raise InputError(
            f"the {type(optimizer).__name__} holds no parameter of the {name}: where it steps copies of them (float32 "
            "masters, DeepSpeed, Megatron, offloading), pass no optimizer and call monitor.step() after each step (of "
            "an average of weights: after each update); else pass the optimizer made from this model's parameters"
        )
