"""Who does which part of the work: the same on every rank, with nothing sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Share", "shares"]


@dataclass(frozen=True)
class Share:
    """Which part of the work is this process's: rank ``rank`` of ``world`` processes that hold the same model."""

    rank: int = 0
    world: int = 1


def shares(costs: Sequence[float], world: int) -> list[int]:
    """The owner of each piece of work: the costliest first, each to the rank with the least so far. Same on every rank.

    >>> shares([1.0, 5.0, 3.0, 2.0], 2)
    [0, 0, 1, 1]
    """
    loads = [0.0] * world
    owners = [0] * len(costs)
    for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
        owners[index] = min(range(world), key=loads.__getitem__)
        loads[owners[index]] += costs[index]
    return owners
