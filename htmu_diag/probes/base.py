"""The protocol of a probe, and what it is given at a step.

A probe says what it is: what it needs (so that a missing batch is one clear sentence at ``watch()`` and not a crash at
step 1000), and how it runs (see `declaration`). It yields spectra; it never fits, plots or writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import torch

from htmu_diag.model.loss_modules import loss_modules
from htmu_diag.operators.batches import Reduction
from htmu_diag.operators.sample_function import Output, pick_output
from htmu_diag.ranks.share import Share
from htmu_diag.solvers.stacks import Decompose
from htmu_diag.spectrum import Spectrum

__all__ = ["Alike", "LossFn", "Need", "ObservingProbe", "Pending", "Probe", "Share", "SharedProbe", "StepContext"]

Need = Literal["model", "batch", "loss_fn", "optimizer"]
LossFn = Callable[[Any, Any], torch.Tensor]


def _unheard(sentence: str) -> None:
    """Nobody listens outside of a run."""


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
    group: the process group of ranks that measure together (``runs = "together"``) in a job of several; else None.
    say: takes a sentence about this measurement that is no error; it is stored and shown with the step, once.
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
    say: Callable[[str], object] = _unheard

    @property
    def modules(self) -> tuple[torch.nn.Module, ...]:
        """What a measurement may run, and leaves as found: the model and the modules of its loss."""
        return (self.model, *loss_modules(self.loss_fn))

    def at(self, step: int) -> StepContext:
        """The same, some steps later."""
        return replace(self, step=step)


class Alike(Protocol):
    """How several pending spectra are computed together."""

    @property
    def seconds(self) -> float:
        """CPU seconds that one of them takes, roughly."""
        ...

    def spectra(self, computes: Sequence[Callable[[], Spectrum]], decompose: Decompose) -> list[Spectrum]:
        """What each ``compute`` gives, to the last bit; raises, with nothing done, where one of them cannot be had.
        Called with numpy on one thread.

        decompose: takes the place of `htmu_diag.stacked.decomposed`.
        """
        ...


@dataclass(frozen=True)
class Pending:
    """A spectrum still to be computed, from copies alone: it may run on another thread while the training goes on.

    order: its place among the spectra of this probe and step, the same on every rank.
    compute: raises MeasurementError or InputError where this one spectrum cannot be had; the others are not affected.
    alike: equal for those that a few calls compute together; None for what is computed alone.
    """

    name: str
    order: int
    compute: Callable[[], Spectrum]
    alike: Alike | None = None


@runtime_checkable
class Probe(Protocol):
    """One kind of measurement.

    name: its key in ``probes=[...]`` and ``every={...}``.
    needs: fields of the context that must not be None.

    It may also declare ``runs``, ``observes``, ``kinds``, ``rows`` and ``quantities``, see `Declaration`.
    """

    @property
    def name(self) -> str: ...

    @property
    def needs(self) -> Set[str]: ...  # of `Need`

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """Yield the spectra of this step; raises MeasurementError with the layer's name where one cannot be had."""
        ...


class SharedProbe(Probe, Protocol):
    """What ``runs = "shared"`` means: it copies what it needs now and computes later, its own share only."""

    def capture(self, context: StepContext) -> Iterator[Pending]:
        """Copy on the training thread. Every rank calls it at the same step: a sharded weight is gathered by all."""
        ...


class ObservingProbe(Probe, Protocol):
    """What ``observes = True`` means: it looks at every optimizer step and measures what it has seen."""

    def observe(self, context: StepContext) -> None:
        """Called after every optimizer step, before anything is measured; gradients are still there."""
        ...
