"""Counting real optimizer steps, in whatever loop they are taken.

torch calls every hook registered by ``register_optimizer_step_post_hook`` after each ``step()`` of any optimizer
(`step_hooks`); it counts when the optimizer holds parameters of the watched model. So gradient accumulation,
Accelerate, Lightning and others all count right, and the model carries no hook (it can be pickled, copied, compiled).

- Parameters are compared by identity at the time of the step: ``fully_shard`` replaces them after ``watch()``.
- Several optimizers on one model: one of them leads, the one that was named or the first seen; its steps count. Another
  one takes the lead, its steps since then included, after two steps in a row without the leader where it replaces it
  (some of the leader's parameters are its own, or none are the model's any more), and else after 200: a critic is
  trained up to 100 steps for one of its generator (Arjovsky, Chintala & Bottou 2017, in the authors' code). At once
  where the leader has not begun a step and the other one holds some of what it holds: the base of a wrapper (SAM,
  Lookahead), or one of several, that was named in its place.
- Where several optimizers train the model, a step is counted when the leader steps and announced when all of them have
  (`rounds`), so that what is measured then is the whole model after the same step.
- A fused optimizer runs (and calls the hook) also where GradScaler found infinite gradients, and leaves the weights
  alone: such a step does not count. Reading that flag would make the host wait for the GPU at every step; it is read
  only when the step might be due, all the flags since the last time at once.
- While a CUDA graph is recorded no step is taken; its replays call no hook, and are counted by `Monitor.step`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch

from htmu_diag.counting.rounds import Rounds
from htmu_diag.counting.step_hooks import STEP_HOOKS
from htmu_diag.model.names import clean_name

__all__ = ["StepCounter", "inner_optimizer", "shares_parameters"]

REPLACES, ALTERNATES = 2, 200  # steps in a row without the leader


class StepCounter:
    """Calls ``on_step(steps taken)`` after each real step; where GradScaler's flags are put off, after those that might
    be due.

    optimizer: the one whose steps count; None for the first that holds parameters of the model. members: optimizers
    that step once in every round. start: steps taken before. might_be_due: a pure function of a step. on_begin: called
    before each step of the leader. fired: whether a step was counted. foreign: steps of optimizers that hold no
    parameter of the model.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | None,
        *,
        start: int,
        on_step: Callable[[int], None],
        might_be_due: Callable[[int], bool],
        members: Iterable[torch.optim.Optimizer] = (),
        on_begin: Callable[[], None] | None = None,
    ) -> None:
        self._model, self._on_begin = model, on_begin
        self.rounds = Rounds(model, members)
        self._pending = False  # a step was counted and not announced yet
        self.foreign = 0
        self._leader = None if optimizer is None else weakref.ref(optimizer)
        self._on_step, self._might_be_due = on_step, might_be_due
        self._step = start
        self.fired = False
        self._undecided: list[torch.Tensor] = []
        self._ours = weakref.WeakKeyDictionary[torch.optim.Optimizer, tuple[int, bool]]()
        self._challenger: weakref.ref[torch.optim.Optimizer] | None = None
        self._in_a_row = 0  # steps of the challenger
        self._begun = False  # the leader has been seen to begin a step
        STEP_HOOKS.add(self)

    @property
    def step(self) -> int:
        """Real steps taken so far."""
        self._decide()
        return self._step

    @property
    def leader(self) -> str:
        """The optimizer whose steps count, in words."""
        leader = self._leader() if self._leader else None
        if leader is None:
            return "none yet"
        ours = _ids(leader)
        names = [clean_name(name) for name, p in self._model.named_parameters() if id(p) in ours]
        return f"the {type(leader).__name__} of {names[0]}{', ...' if len(names) > 1 else ''}"

    def set(self, step: int) -> None:
        """Continue from this number."""
        self._undecided.clear()
        self._step = step

    def remove(self) -> None:
        """Stop counting; harmless when called twice."""
        STEP_HOOKS.remove(self)

    def finish(self) -> None:
        """Announce a step that was counted while other optimizers were still expected to step; harmless without one."""
        if self._pending:
            self._pending = False
            self._on_step(self._step)

    def before_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Of any optimizer."""
        leader = self._leader() if self._leader else None
        if leader is None or _capturing():
            return
        if self.rounds.begins(optimizer, leader):
            self.finish()
            self.rounds.next(leader)
        if optimizer is leader:
            self._begun = True
            if self._on_begin is not None:
                self._on_begin()

    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Of any optimizer."""
        if _capturing():
            return
        if not self._holds_our_parameters(optimizer):
            self.foreign += 1
            return
        leads = self._leads(optimizer)
        self.rounds.stepped(optimizer)
        if leads:
            self._count(getattr(optimizer, "found_inf", None))
        if self._pending and self.rounds.over:
            self.finish()

    def _count(self, found_inf: torch.Tensor | None) -> None:
        self.fired = True
        if found_inf is None:
            self._decide()
            self._step += 1
            self._pending = True
            return
        self._undecided.append(found_inf)
        before = self._step
        if any(self._might_be_due(before + 1 + ahead) for ahead in range(len(self._undecided))):
            skipped_last = bool(self._undecided[-1])
            self._decide()
            self._pending = not skipped_last

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
        """Whether its step counts; those before it that made it the leader are counted at once."""
        leader = self._leader() if self._leader else None
        if optimizer is leader or leader is None:
            self._lead(optimizer)
            return True
        if not self._begun and not _ids(leader).isdisjoint(_ids(optimizer)):
            self._lead(optimizer)
            self.rounds = Rounds(self._model)
            return True
        if self._challenger is None or self._challenger() is not optimizer:
            self._challenger, self._in_a_row = weakref.ref(optimizer), 0
        self._in_a_row += 1
        replaces = self._in_a_row == REPLACES and self._replaces(optimizer, leader)
        if not (replaces or self._in_a_row == ALTERNATES):
            return False
        self._step += self._in_a_row - 1
        self.rounds = Rounds(self._model)
        self._lead(optimizer)
        return True

    def _lead(self, optimizer: torch.optim.Optimizer) -> None:
        self._leader, self._challenger, self._in_a_row, self._begun = weakref.ref(optimizer), None, 0, True

    def _replaces(self, optimizer: torch.optim.Optimizer, leader: torch.optim.Optimizer) -> bool:
        share = not _ids(optimizer).isdisjoint(_ids(leader))
        return share or not shares_parameters(self._model, leader)


def shares_parameters(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimizer holds a parameter of the model."""
    return not _ids(optimizer).isdisjoint(id(parameter) for parameter in model.parameters())


def inner_optimizer(optimizer: Any) -> torch.optim.Optimizer | None:
    """The optimizer whose ``step`` torch's hooks see, inside wrappers such as Accelerate's."""
    while optimizer is not None and not hasattr(optimizer, "_optimizer_step_post_hooks"):
        optimizer = getattr(optimizer, "optimizer", None)
    return cast("torch.optim.Optimizer | None", optimizer)


def _ids(optimizer: torch.optim.Optimizer) -> set[int]:
    return {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}


def _capturing() -> bool:
    initialized = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return bool(initialized and torch.cuda.is_current_stream_capturing())
