"""The processes that analyse one model together, and the one that does so alone; several are in `gather`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

__all__ = ["Alone", "Team"]

T = TypeVar("T")


class Team(contextlib.AbstractContextManager["Team"], Protocol):
    """The processes that analyse one model together; a ``with`` block around everything that they do for it."""

    rank: int
    world: int

    def gathered(self, mine: Iterable[tuple[int, T]], owners: Sequence[int]) -> Iterator[tuple[int, T]]:
        """One's own (place, result) as they come; on rank 0 then those of the others. owners: rank of each place."""
        ...


class Alone(contextlib.AbstractContextManager["Alone"]):
    """One process does all."""

    rank, world = 0, 1

    def __exit__(self, *exception: object) -> None:
        """Nothing to end."""

    def gathered(self, mine: Iterable[tuple[int, T]], owners: Sequence[int]) -> Iterator[tuple[int, T]]:
        yield from mine
