"""Rounds of several optimizers that train one model: when have all of them stepped?

A round begins with the optimizer that stepped first of all, whichever leads, and is over when everything that steps in
it has stepped. What that is, is known after one round; until then a round is over at once where one optimizer holds
every parameter that is trained, and else when the next one begins. So a snapshot never shows one part of a model a step
older than another, also where the step is taken inside the backward pass by one optimizer for each parameter.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable

import torch

__all__ = ["Rounds"]

Times = weakref.WeakKeyDictionary[torch.optim.Optimizer, int]


class Rounds:
    """Counts the steps of each optimizer in the current round.

    members: optimizers that are known to step once a round. uneven: whether some stepped in one round and not, or more
    often, in another.
    """

    def __init__(self, model: torch.nn.Module, members: Iterable[torch.optim.Optimizer] = ()) -> None:
        self._model = model
        self._now: Times = weakref.WeakKeyDictionary()
        self._most: Times = weakref.WeakKeyDictionary(dict.fromkeys(members, 1))
        self._known = bool(self._most)
        self._first = True
        self._opener: weakref.ref[torch.optim.Optimizer] | None = None
        self.uneven = False

    @property
    def several(self) -> bool:
        """Whether more than one optimizer was seen."""
        return len(self._most) > 1 or len(self._now) > 1

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """One of them has taken a step."""
        if self._opener is None:
            self._opener = weakref.ref(optimizer)
        self._now[optimizer] = self._now.get(optimizer, 0) + 1

    def begins(self, optimizer: torch.optim.Optimizer, leader: torch.optim.Optimizer) -> bool:
        """Whether the step that an optimizer is about to take is the first of a new round."""
        opens = optimizer is leader or (self._opener is not None and self._opener() is optimizer)
        return opens and leader in self._now

    def next(self, leader: torch.optim.Optimizer) -> None:
        """A new round begins: what stepped is one. The first may hold a warm-up of another one than the leader."""
        warm_up = self._first and self._opener is not None and self._opener() is not leader
        if not warm_up:
            if not self._as_before:
                self.uneven |= self._known
                for optimizer, times in self._now.items():
                    self._most[optimizer] = max(times, self._most.get(optimizer, 0))
            self._known = True
        self._first = False
        self._now = weakref.WeakKeyDictionary()

    @property
    def _as_before(self) -> bool:
        """Whether all have stepped as often as known; asked at each step, so no dictionary is made of it."""
        # weak references are equal where what they refer to is
        return bool(self._now.data == self._most.data)  # type: ignore[attr-defined]

    @property
    def over(self) -> bool:
        """Whether all that step in a round have stepped in this one."""
        if self._known:
            return self._as_before or all(
                self._now.get(optimizer, 0) >= times for optimizer, times in self._most.items()
            )
        held = {id(p) for optimizer in self._now for group in optimizer.param_groups for p in group["params"]}
        return len(self._now) == 1 and all(
            id(parameter) in held for parameter in self._model.parameters() if parameter.requires_grad
        )
