"""The protocol of a probe, and what it is given at a step.

A probe declares what it needs (``needs``), so that a missing batch is one clear sentence at ``watch()`` and not a crash
at step 1000. It yields spectra; it never fits, plots or writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from htmu_diag.spectrum import Spectrum

__all__ = ["LossFn", "Need", "Probe", "StepContext"]

Need = Literal["model", "batch", "loss_fn", "optimizer"]
LossFn = Callable[[Any, Any], torch.Tensor]


@dataclass(frozen=True)
class StepContext:
    """What a probe may look at, after an optimizer step.

    step: optimizer steps taken so far (0 before the first).
    model: the watched module, as the user passed it.
    optimizer: the watched optimizer, None when the user steps by hand.
    batch: the fixed probe batch (inputs, targets), the same at every step.
    loss_fn: ``loss_fn(model_output, targets) -> scalar``, mean over samples.
    include: layers by glob, on clean ``named_parameters`` names; empty means all.
    """

    step: int
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer | None = None
    batch: tuple[Any, Any] | None = None
    loss_fn: LossFn | None = None
    include: tuple[str, ...] = ()
    seed: int = 0
    extras: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Probe(Protocol):
    """One kind of measurement.

    name: its key in ``probes=[...]`` and ``every={...}``.
    needs: fields of the context that must not be None.
    """

    name: str
    needs: frozenset[Need]

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """Yield the spectra of this step; raises MeasurementError with the layer's name where one cannot be had."""
        ...
