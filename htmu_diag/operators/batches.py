"""Data for an operator: one batch or many, cached in order, with the share of each in the loss of all.

A loss that is a mean over n_b things in batch b (`normaliser`) is sum (n_b / n) mean_b over all batches: batches of
unequal size weigh by what counts in them. Batches are cached when the operator is made, so that a shuffled loader gives
the same operator in every product; random transforms inside the loader are thereby drawn once. The copies are the
operator's own: a loader may reuse its buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from htmu_diag.errors import InputError

__all__ = ["Batch", "Reduction", "cached", "rows", "tensors_of"]

Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class Batch:
    """inputs: a tensor, a tuple of arguments or a dict of keyword arguments. samples: its rows. weight: its share."""

    inputs: Any
    targets: Any
    samples: int
    weight: float = 1.0

    def call(self, model: torch.nn.Module) -> Any:
        """The model's output on these inputs."""
        if isinstance(self.inputs, Mapping):
            return model(**self.inputs)
        if isinstance(self.inputs, tuple | list):
            return model(*self.inputs)
        return model(self.inputs)


def cached(
    data: Any, *, device: torch.device | None, dtype: torch.dtype, reduction: Reduction = "mean"
) -> tuple[Batch, ...]:
    """All batches of ``data`` on the device (None: where they are), floating-point inputs in ``dtype``.

    data: ``(inputs, targets)``, a dict of keyword arguments (targets: its "labels"), or an iterable of these.
    Raises InputError where there is no batch, or a batch without a tensor to count samples by.
    """
    single = isinstance(data, Mapping) or (isinstance(data, tuple) and len(data) == 2)
    if not single and not isinstance(data, Iterable):
        raise InputError(f"data = a {type(data).__name__} holds no batch; pass (inputs, targets), or a list of them")
    items: Iterable[Any] = [data] if single else data
    found = [_batch(item, device, dtype) for item in items]
    total = sum(batch.samples for batch in found)
    if not total:
        raise InputError("the data hold no batch; pass (inputs, targets) or a non-empty iterable of such pairs")
    share: Callable[[int], float] = (lambda n: n / total) if reduction == "mean" else (lambda n: 1.0)
    return tuple(Batch(b.inputs, b.targets, b.samples, share(b.samples)) for b in found)


def rows(batch: Batch, first: int, last: int) -> tuple[Any, Any]:
    """Rows first to last (excluded) of a batch, as (inputs, targets)."""

    def cut(x: torch.Tensor) -> torch.Tensor:
        return x[first:last] if x.ndim and x.shape[0] == batch.samples else x

    return _mapped(batch.inputs, cut), _mapped(batch.targets, cut)


def _batch(item: Any, device: torch.device | None, dtype: torch.dtype) -> Batch:
    if isinstance(item, Mapping):
        inputs, targets = item, item.get("labels")
    elif isinstance(item, tuple | list) and len(item) == 2:
        inputs, targets = item
    else:
        raise InputError(f"a batch is (inputs, targets) or a dict of keyword arguments, got {type(item).__name__}")

    def place(x: torch.Tensor) -> torch.Tensor:
        return x.detach().to(device, dtype if x.is_floating_point() else None, copy=True)

    inputs, targets = _mapped(inputs, place), _mapped(targets, place)
    return Batch(inputs, targets, _samples(targets) or _samples(inputs) or _refuse(item))


def _samples(values: Any) -> int:
    tensors = tensors_of(values)
    return next((int(x.shape[0]) for x in tensors if x.ndim), 0)


def _refuse(item: Any) -> int:
    raise InputError(f"a batch of type {type(item).__name__} holds no tensor with rows; the mean needs its samples")


def tensors_of(values: Any) -> list[torch.Tensor]:
    """All tensors in nested tuples, lists and mappings."""
    if isinstance(values, torch.Tensor):
        return [values]
    parts = values.values() if isinstance(values, Mapping) else values if isinstance(values, tuple | list) else ()
    return [x for part in parts for x in tensors_of(part)]


def _mapped(values: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    if isinstance(values, torch.Tensor):
        return change(values)
    if isinstance(values, Mapping):
        return {key: _mapped(value, change) for key, value in values.items()}
    if isinstance(values, tuple | list):
        return tuple(_mapped(value, change) for value in values)
    return values
