"""The matrices of a checkpoint shared among processes of this machine, one BLAS thread each.

Each process opens the checkpoint itself and reads only what it measures: nothing but names and results goes between
them. The dearest matrices go first, so that all end at about the same time; which process measures a matrix changes no
bit of it, since what is decomposed together is decided before. A process that is ended (by the kernel, for its memory)
costs the matrix that it was at: from then on one process measures, and the group that ends it again goes one by one, so
that it is known which one that is.

Processes are spawned, and import what the checkpoint asks for: a fork would inherit the locks of threads that it does
not have. A command's own process is forked in place of that: it has no threads but those of its bar and of OpenBLAS,
which sees to forks itself, and torch, where it is loaded, has run nothing on several threads in it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from htmu_diag.matrices import Inventory
from htmu_diag.offline.measure import Choices, groups_of, layers_of
from htmu_diag.own_process import begin_child, is_own_process
from htmu_diag.report.analysis import Layer
from htmu_diag.solvers.threads import keep_torch_to

__all__ = ["in_processes", "worth"]

Listing = Callable[[], Inventory]
Found = tuple[list[int], list[Layer]]
_RATE = 4e10  # multiplications a second of one core, in the units of `Matrix.cost`
_START = "spawn"
_SAFE = "PYTHONSAFEPATH"
_FITS, _NEW_RATIO = 0.002, 0.04  # seconds a matrix, and of tables for the first one of an aspect ratio
# seconds of work: a spawned process takes 0.4 to start, 1.8 where it imports torch
_WORTH, _WORTH_WITH_TORCH, _WORTH_A_FORK = 1.5, 4.0, 0.5
_TURNS, _MOST = 4, 16  # groups that each process takes, or more; matrices of a group, or fewer
_CHEAP = 0.3  # seconds of decomposing: beside more of it, tables cost little


def worth(inventory: Inventory, choices: Choices) -> bool:
    """Whether there is enough to do for other processes to be worth their start."""
    spawned = _WORTH_WITH_TORCH if "torch" in sys.modules else _WORTH  # the script's own imports are repeated, too
    least = _WORTH_A_FORK if _start(choices) == "fork" else spawned
    seconds = sum(matrix.cost / _RATE + _FITS for matrix in inventory)
    if not choices.options.tail_only:
        seconds += _NEW_RATIO * len({min(matrix.shape) / max(matrix.shape) for matrix in inventory if matrix.cost})
    return seconds > least


def _start(choices: Choices) -> str:
    """How processes are started. One thread and no device: neither OpenMP nor CUDA lives on in a fork."""
    return "fork" if is_own_process() and choices.threads == 1 and choices.device is None else _START


def in_processes(
    inventory: Inventory, listing: Listing, choices: Choices, jobs: int, places: Sequence[int]
) -> Iterator[tuple[int, Layer]]:
    """(place, layer) of each of these matrices, as they are done. listing: gives the inventory again, elsewhere."""
    most = max(min(len(places) // (_TURNS * jobs), _MOST), 1)
    groups = groups_of(inventory, places, batched=not choices.vectors, most=most)
    waiting = [group for group in groups if group[0] in places]
    waiting.sort(key=lambda group: -sum(inventory.matrices[place].cost for place in group))
    start = _start(choices)
    if start == "fork":
        _prepare(inventory, places, choices, jobs)
    while waiting:
        try:
            for group, layers in _shared(listing, choices, waiting, jobs, start):
                waiting.remove(group)
                yield from zip(group, layers, strict=True)
        except BrokenProcessPool:
            if jobs == 1 and waiting:
                first, *others = waiting.pop(0)
                if others:
                    waiting[:0] = [[place] for place in (first, *others)]
                else:
                    yield _lost(inventory, first)
            jobs, start = 1, _START  # by now there are threads of the first pool


def _prepare(inventory: Inventory, places: Sequence[int], choices: Choices, jobs: int) -> None:
    """Measure one of the cheapest of each shape that comes often: processes that are forked now inherit its tables."""
    cheap = [m for place in places if (m := inventory.matrices[place]).cost < _CHEAP * _RATE]
    by_cost = sorted(cheap, key=lambda matrix: matrix.cost)
    often = Counter(matrix.shape for matrix in by_cost)
    first = {matrix.shape: matrix for matrix in reversed(by_cost) if often[matrix.shape] > 2 * jobs}
    for matrix in first.values():
        layers_of([matrix], choices)


def _shared(listing: Listing, choices: Choices, groups: Sequence[list[int]], jobs: int, start: str) -> Iterator[Found]:
    with _pool(listing, choices, min(jobs, len(groups)), start) as pool:
        if jobs == 1:  # in order, so that it is known which one a process was at
            yield from (pool.submit(_measure, group).result() for group in list(groups))
            return
        futures: list[Future[Found]] = [pool.submit(_measure, group) for group in groups]
        for future in as_completed(futures):
            yield future.result()


@contextlib.contextmanager
def _pool(listing: Listing, choices: Choices, jobs: int, start: str) -> Iterator[ProcessPoolExecutor]:
    """Its processes are ended at once where the block is left by an error or by Ctrl-C."""
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context(start)
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(listing, choices))
    with contextlib.ExitStack() as left_early, _starting_elsewhere():
        left_early.callback(_end, pool, before)
        yield pool
        left_early.pop_all()
    pool.shutdown()


@contextlib.contextmanager
def _starting_elsewhere() -> Iterator[None]:
    """A spawned Python looks for its first modules in the current folder otherwise (from Python 3.11 on)."""
    before = os.environ.get(_SAFE)
    os.environ[_SAFE] = "1"
    try:
        yield
    finally:
        os.environ.pop(_SAFE)
        if before is not None:
            os.environ[_SAFE] = before


def _end(pool: ProcessPoolExecutor, before: set[BaseProcess]) -> None:
    pool.shutdown(wait=False, cancel_futures=True)
    for process in set(multiprocessing.active_children()) - before:
        process.terminate()


def _lost(inventory: Inventory, place: int) -> tuple[int, Layer]:
    reason = "the process that measured it was ended, which is how a system that is out of memory does it"
    matrix = inventory.matrices[place]
    return place, Layer(matrix.name, matrix.shape, matrix.role, None, reason)


@dataclass(frozen=True)
class _Here:
    """What a process works on."""

    inventory: Inventory
    choices: Choices


_here: list[_Here] = []


def _begin(listing: Listing, choices: Choices) -> None:
    begin_child()
    keep_torch_to(choices.threads or 1)
    _here[:] = [_Here(listing(), choices)]


def _measure(places: list[int]) -> Found:
    here = _here[0]
    return places, layers_of([here.inventory.matrices[place] for place in places], here.choices)
