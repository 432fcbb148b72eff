"""The protocol of a probe, and what it is given at a step.

A probe declares what it needs (``needs``), so that a missing batch is one clear sentence at ``watch()`` and not a crash
at step 1000. It yields spectra; it never fits, plots or writes. Wider protocols: a `DeferredProbe` splits its work into
a cheap copy on the training thread and a computation that runs anywhere; an `ObservingProbe` sees every step; a
`CollectiveProbe` is run by all ranks of a job together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from htmu_diag.model.loss_modules import loss_modules
from htmu_diag.operators.batches import Reduction
from htmu_diag.operators.sample_function import Output, pick_output
from htmu_diag.ranks.share import Share
from htmu_diag.spectrum import Spectrum

__all__ = [
    "CollectiveProbe",
    "DeferredProbe",
    "LossFn",
    "Need",
    "ObservingProbe",
    "Pending",
    "Probe",
    "RemarkingProbe",
    "Share",
    "StepContext",
]

Need = Literal["model", "batch", "loss_fn", "optimizer"]
LossFn = Callable[[Any, Any], torch.Tensor]


@dataclass(frozen=True)
class StepContext:
    """What a probe may look at, after an optimizer step.

    step: optimizer steps taken so far (0 before the first).
    model: the watched module, without the wrappers of DDP and torch.compile.
    optimizer: the watched optimizer, None when the user steps by hand.
    batch: the fixed probe batch (inputs, targets), the same at every step.
    loss_fn: ``loss_fn(model_output, targets) -> scalar``. output: picks the tensor of outputs that it is given.
    loss_reduction: "mean" or "sum"; None for what the loss says of itself.
    include: layers by glob, on clean ``named_parameters`` names; empty means all.
    share: the part of the work that this process does.
    group: the process group of ranks that measure together, for a `CollectiveProbe` in a job of several; else None.
    """

    step: int
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer | None = None
    batch: tuple[Any, Any] | None = None
    loss_fn: LossFn | None = None
    output: Output = pick_output
    loss_reduction: Reduction | None = None
    include: tuple[str, ...] = ()
    seed: int = 0
    share: Share = field(default_factory=Share)
    group: Any = None
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        """What a measurement may run, and leaves as found: the model and the modules of its loss."""
        return (self.model, *loss_modules(self.loss_fn))

    def at(self, step: int) -> StepContext:
        """The same, some steps later."""
        return replace(self, step=step)


@dataclass(frozen=True)
class Pending:
    """A spectrum still to be computed, from copies alone: it may run on another thread while the training goes on.

    order: its place among the spectra of this probe and step, the same on every rank.
    compute: raises MeasurementError or InputError where this one spectrum cannot be had; the others are not affected.
    """

    name: str
    order: int
    compute: Callable[[], Spectrum]


@runtime_checkable
class Probe(Protocol):
    """One kind of measurement.

    name: its key in ``probes=[...]`` and ``every={...}``.
    needs: fields of the context that must not be None.
    """

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> frozenset[Need]: ...

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """Yield the spectra of this step; raises MeasurementError with the layer's name where one cannot be had."""
        ...


@runtime_checkable
class DeferredProbe(Probe, Protocol):
    """A probe that copies what it needs now and computes later; it does its own share of the work only."""

    def capture(self, context: StepContext) -> Iterator[Pending]:
        """Copy on the training thread. Every rank calls it at the same step: a sharded weight is gathered by all."""
        ...


@runtime_checkable
class ObservingProbe(Probe, Protocol):
    """A probe that looks at every optimizer step and measures what it has seen."""

    def observe(self, context: StepContext) -> None:
        """Called after every optimizer step, before anything is measured; gradients are still there."""
        ...


@runtime_checkable
class RemarkingProbe(Probe, Protocol):
    """A probe that has something to say which is no error."""

    def remarks(self) -> list[str]:
        """Sentences for the record of this step, said once."""
        ...


@runtime_checkable
class CollectiveProbe(Probe, Protocol):
    """A probe that adds up over ranks: each measures its own batch, and all of them get the result for all batches."""

    @property
    def collective(self) -> bool: ...
