"""torch's hooks around the steps of all optimizers, for every counter of this process.

torch walks through its dictionary of hooks while it calls them. A monitor that opens or closes in the meantime, in
another thread or in such a hook, would change it, and the optimizer's step of whoever trains would raise "mutated
during iteration". So torch's hooks are registered once, before the first counter, and taken away after the last one if
no thread is inside them; else they stay and do nothing, until the next counter comes and goes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, cast

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

__all__ = ["STEP_HOOKS", "StepHooks", "Stepping"]

Hook = Callable[[torch.optim.Optimizer, Any, Any], None]


class Stepping(Protocol):
    """What is told of every step of every optimizer."""

    def before_step(self, optimizer: torch.optim.Optimizer) -> None: ...
    def after_step(self, optimizer: torch.optim.Optimizer) -> None: ...


class StepHooks:
    """Tells all that were added, in their order, of every step."""

    def __init__(self) -> None:
        self._told: tuple[Stepping, ...] = ()  # replaced, never changed: a step under way has its own
        self._inside: list[None] = []  # one for each thread in a hook; append and pop need no lock, also in forks
        self._changing = threading.Lock()
        self._handles: tuple[RemovableHandle, ...] = ()

    def add(self, told: Stepping) -> None:
        """From the next step on."""
        with self._changing:
            self._told = *self._told, told
            if not self._handles:
                self._handles = (
                    register_optimizer_step_pre_hook(_outside_compilation(self._before)),
                    register_optimizer_step_post_hook(_outside_compilation(self._after)),
                )

    def remove(self, told: Stepping) -> None:
        """At once, also for a step under way; harmless when called twice."""
        with self._changing:
            self._told = tuple(one for one in self._told if one is not told)
            if not self._told and not self._inside:
                for handle in self._handles:
                    handle.remove()
                self._handles = ()

    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._inside.append(None)
        try:
            for told in self._told:
                if told in self._told:  # not removed by one before it, or by another thread
                    told.before_step(optimizer)
        finally:
            self._inside.pop()

    def _after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._inside.append(None)
        try:
            for told in self._told:
                if told in self._told:
                    told.after_step(optimizer)
        finally:
            self._inside.pop()


def _outside_compilation(hook: Hook) -> Hook:
    """A compiled ``optimizer.step`` calls it as it is."""
    return cast(Hook, torch.compiler.disable(hook))  # type: ignore[no-untyped-call]


STEP_HOOKS = StepHooks()
