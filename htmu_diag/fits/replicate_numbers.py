"""Random numbers of replicates that are kept: those of a seed, with what follows from them whatever the data."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np

from htmu_diag.fits.replicate_tails import OwnTails, ReplicateTails
from htmu_diag.fits.replicates import Cells, Ordered, seeded
from htmu_diag.spectrum import Floats

__all__ = ["Numbers", "numbers_of_seed"]

_ROOM = 2**20  # entries of the tables of samples of all sizes, and as many of their tails: 8 MB in all


Key = TypeVar("Key", bound=Hashable)
Table = TypeVar("Table")


class _Shelf(Generic[Key, Table]):
    """What was made, with its number of entries; the oldest goes where there are more than ``_ROOM``."""

    def __init__(self, make: Callable[[Key], tuple[Table, int]]) -> None:
        self.make = make
        self.kept: dict[Key, tuple[Table, int]] = {}

    def __getitem__(self, key: Key) -> Table:
        if key not in self.kept:
            self.kept[key] = self.make(key)
            while len(self.kept) > 1 and sum(size for _, size in self.kept.values()) > _ROOM:
                del self.kept[next(iter(self.kept))]
        return self.kept[key][0]


class Numbers:
    """From exponential numbers (rows, N): cells by the size of a sample; own tails by it and the size of its tail."""

    def __init__(self, numbers: Floats) -> None:
        self.ordered = Ordered.of(numbers)
        self.tails = ReplicateTails(self.ordered)
        self.cells = _Shelf(self._cells)
        self.own = _Shelf(self._own)

    def _cells(self, n: int) -> tuple[Cells, int]:
        cells = Cells.of(self.ordered, n)
        return cells, cells.entries

    def _own(self, sizes: tuple[int, int]) -> tuple[OwnTails, int]:
        n, n_tail = sizes
        cells = self.cells[n]
        counts = cells.counts[n_tail].astype(np.intp)
        starts = self.ordered.heights[:, n] + math.log(n_tail / n)
        own = OwnTails.of(self.ordered, starts, counts, cells.ranks, *self.tails.best(counts))
        return own, 2 * own.logs.size


class _Seed:
    """The numbers of one seed, for samples of any size; more are drawn, twice as many, where they do not do."""

    def __init__(self, seed: int, replicates: int) -> None:
        self.seed, self.replicates, self.size = seed, replicates, 0
        self.numbers: Numbers | None = None

    def numbers_for(self, n: int) -> Numbers:
        if self.numbers is None or n > self.size:
            self.size = max(2 * self.size, n)
            self.numbers = Numbers(seeded(self.seed)(self.replicates, self.size))
        return self.numbers


def numbers_of_seed(seed: int, replicates: int, n: int) -> Numbers:
    """For ``replicates`` samples of n values."""
    return _kept(seed, replicates, threading.get_ident()).numbers_for(n)


@lru_cache(maxsize=32)  # the streams of two seeds (`Options.seed`)
def _kept(seed: int, replicates: int, thread: int) -> _Seed:
    """One for each thread: its tables grow."""
    return _Seed(seed, replicates)
