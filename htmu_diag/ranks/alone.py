"""The processes that analyse one model together, and the one that does so alone; several are in `gather`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from htmu_diag.errors import InputError

__all__ = ["Alone", "Team", "team_of"]

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


def team_of(ranks: bool | float) -> Team:
    """This process alone, or the ranks of the running job with their limit in seconds, see `analyze`."""
    if ranks is False:
        return Alone()
    import torch.distributed as dist

    from htmu_diag.ranks.gather import Ranks

    if not (dist.is_available() and dist.is_initialized()):
        raise InputError("ranks: no torch.distributed job runs here; call init_process_group first, or leave ranks out")
    return Ranks() if ranks is True else Ranks(float(ranks))
