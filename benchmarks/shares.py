"""Whose CPU time it is in a watched training: the training's, or that of what watches it, thread by thread (Linux).

The scheduler's own account (schedstat) says for each thread how long it ran and how long it waited for a core, in
nanoseconds. So what is ours is measured by itself, and a training whose steps vary by a tenth does not hide it; and a
step's wall time less both is the time for which the thread was blocked, whatever else runs on the machine.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

__all__ = ["Ours", "Step", "timed"]


@dataclass
class Step:
    """One step of the training's thread, in seconds: what it ran, waited for a core, and was blocked; page faults."""

    wall: float
    ran: float
    queued: float
    faults: int

    @property
    def blocked(self) -> float:
        """By Python's lock, a disk, a lock of the monitor's."""
        return self.wall - self.ran - self.queued


def timed(step: Callable[[], None]) -> Step:
    """Take one step on this thread."""
    path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    faults, (ran, queued), began = _faults(), _schedstat(path), time.perf_counter()
    step()
    wall, (ran_then, queued_then) = time.perf_counter() - began, _schedstat(path)
    return Step(wall, ran_then - ran, queued_then - queued, _faults() - faults)


@dataclass
class Ours:
    """CPU seconds of what a monitor does: its hooks on the training's thread, its other threads, its processes.

    Made before ``watch``: threads that live then are the training's. `watched` is called behind it.
    """

    hooks: float = 0.0
    _training: frozenset[str] = field(default_factory=lambda: frozenset(os.listdir("/proc/self/task")))
    _began: float = 0.0

    def __post_init__(self) -> None:
        self._hook(self._begin)

    def watched(self) -> None:
        """torch calls hooks in the order in which they came: what lies between these and the first is the monitor's."""
        self._hook(self._end)

    def parts(self) -> tuple[float, float, float]:
        """Hooks, threads, processes, so far."""
        names = {str(thread.native_id) for thread in threading.enumerate() if thread.name.startswith("htmu-")}
        tasks = [Path("/proc/self/task") / name for name in names - self._training]
        inside = [task for child in _children() for task in Path(f"/proc/{child}/task").glob("*")]
        return self.hooks, _ran(tasks), _ran(inside)

    def _hook(self, call: Callable[[], None]) -> None:
        register_optimizer_step_pre_hook(lambda *_: call())
        register_optimizer_step_post_hook(lambda *_: call())

    def _begin(self) -> None:
        self._began = time.thread_time()

    def _end(self) -> None:
        self.hooks += time.thread_time() - self._began


def _children() -> list[str]:
    found: list[str] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            found += task.read_text().split()
    return found


def _ran(tasks: list[Path]) -> float:
    total = 0.0
    for task in tasks:
        with suppress(OSError):
            total += _schedstat(task / "schedstat")[0]
    return total


def _schedstat(path: Path) -> tuple[float, float]:
    ran, queued, _ = path.read_text().split()
    return int(ran) / 1e9, int(queued) / 1e9


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
