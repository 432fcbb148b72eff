"""Counting real optimizer steps, in whatever loop they are taken.

torch calls every hook registered by ``register_optimizer_step_post_hook`` after each ``step()`` of any optimizer; it
counts when the optimizer holds parameters of the watched model. So gradient accumulation, Accelerate, Lightning and
others all count right, and the model carries no hook (it can be pickled, copied and compiled).

- Parameters are compared by identity at the time of the step: ``fully_shard`` replaces them after ``watch()``.
- Several optimizers on one model: one of them leads, the one that was named or the first seen; its steps count. Another
  one takes the lead after two steps in a row without the leader.
- A fused optimizer runs (and calls the hook) also where GradScaler found infinite gradients, and leaves the weights
  alone: such a step does not count. Reading that flag would make the host wait for the GPU at every step; it is read
  only when the step might be due, all the flags since the last time at once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, cast

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

__all__ = ["StepCounter", "inner_optimizer", "shares_parameters"]

Hook = Callable[[torch.optim.Optimizer, Any, Any], None]


class StepCounter:
    """Calls ``on_step(steps taken)`` after each real step; where GradScaler's flags are put off, after those that might
    be due.

    optimizer: the one whose steps count; None for the first that holds parameters of the model. start: steps taken
    before. might_be_due: a pure function of a step. fired: whether a step was counted.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | None,
        *,
        start: int,
        on_step: Callable[[int], None],
        might_be_due: Callable[[int], bool],
    ) -> None:
        self._model = model
        self._leader = None if optimizer is None else weakref.ref(optimizer)
        self._on_step, self._might_be_due = on_step, might_be_due
        self._step = start
        self.fired = False
        self._undecided: list[torch.Tensor] = []
        self._ours = weakref.WeakKeyDictionary[torch.optim.Optimizer, tuple[int, bool]]()
        self._challenger: weakref.ref[torch.optim.Optimizer] | None = None
        self._handle = register_optimizer_step_post_hook(_outside_compilation(self._after_step))

    @property
    def step(self) -> int:
        """Real steps taken so far."""
        self._decide()
        return self._step

    def set(self, step: int) -> None:
        """Continue from this number."""
        self._undecided.clear()
        self._step = step

    def remove(self) -> None:
        """Stop counting; harmless when called twice."""
        self._handle.remove()

    def _after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if self._holds_our_parameters(optimizer) and self._leads(optimizer):
            self._count(getattr(optimizer, "found_inf", None))

    def _count(self, found_inf: torch.Tensor | None) -> None:
        self.fired = True
        if found_inf is None:
            self._decide()
            self._step += 1
            self._on_step(self._step)
            return
        self._undecided.append(found_inf)
        before = self._step
        if any(self._might_be_due(before + 1 + ahead) for ahead in range(len(self._undecided))):
            skipped_last = bool(self._undecided[-1])
            self._decide()
            if not skipped_last:
                self._on_step(self._step)

    def _decide(self) -> None:
        if self._undecided:
            flags = torch.stack([flag.reshape(()) for flag in self._undecided])
            self._step += int((flags == 0).sum())
            self._undecided.clear()

    def _holds_our_parameters(self, optimizer: torch.optim.Optimizer) -> bool:
        """Looked up anew whenever the optimizer's number of parameters changed."""
        size = sum(len(group["params"]) for group in optimizer.param_groups)
        known = self._ours.get(optimizer)
        if known is None or known[0] != size:
            known = self._ours[optimizer] = size, shares_parameters(self._model, optimizer)
        return known[1]

    def _leads(self, optimizer: torch.optim.Optimizer) -> bool:
        leader = self._leader() if self._leader else None
        challenger = self._challenger() if self._challenger else None
        if leader is None or optimizer is challenger:
            leader, self._leader = optimizer, weakref.ref(optimizer)
        self._challenger = None if optimizer is leader else weakref.ref(optimizer)
        return optimizer is leader


def shares_parameters(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimizer holds a parameter of the model."""
    ids = {id(parameter) for parameter in model.parameters()}
    return any(id(parameter) in ids for group in optimizer.param_groups for parameter in group["params"])


def inner_optimizer(optimizer: Any) -> torch.optim.Optimizer | None:
    """The optimizer whose ``step`` torch's hooks see, inside wrappers such as Accelerate's."""
    while optimizer is not None and not hasattr(optimizer, "_optimizer_step_post_hooks"):
        optimizer = getattr(optimizer, "optimizer", None)
    return cast("torch.optim.Optimizer | None", optimizer)


def _outside_compilation(hook: Hook) -> Hook:
    """A compiled ``optimizer.step`` calls it as it is."""
    return cast(Hook, torch.compiler.disable(hook))  # type: ignore[no-untyped-call]
