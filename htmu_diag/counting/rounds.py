"""Rounds of several optimizers that train one model: when have all of them stepped?

A step s is over when everything that steps between the leader's step s and its step s + 1 has stepped. What that is, is
known after one round; until then a round is over at once where one optimizer holds every parameter that is trained,
and else when the leader begins its next step. So a snapshot never shows one part of a model a step older than
another, also where the step is taken inside the backward pass by one optimizer for each parameter.
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
        self.uneven = False

    @property
    def several(self) -> bool:
        """Whether more than one optimizer was seen."""
        return len(self._most) > 1

    def stepped(self, optimizer: torch.optim.Optimizer) -> None:
        """One of them has taken a step."""
        self._now[optimizer] = self._now.get(optimizer, 0) + 1

    def next(self, leader: torch.optim.Optimizer) -> None:
        """The leader begins a step: what stepped since its last one is a round; what came before its first is none."""
        if leader not in self._now:
            self._now.clear()
        if self._now:
            self.uneven |= self._known and dict(self._now) != dict(self._most)
            for optimizer, times in self._now.items():
                self._most[optimizer] = max(times, self._most.get(optimizer, 0))
            self._known = True
            self._now.clear()

    @property
    def over(self) -> bool:
        """Whether all that step in a round have stepped in this one."""
        if self._known:
            return all(self._now.get(optimizer, 0) >= times for optimizer, times in self._most.items())
        held = {id(p) for optimizer in self._now for group in optimizer.param_groups for p in group["params"]}
        return len(self._now) == 1 and all(
            id(parameter) in held for parameter in self._model.parameters() if parameter.requires_grad
        )
