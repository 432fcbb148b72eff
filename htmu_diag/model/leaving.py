"""Sums over ranks that are not waited for in vain: a rank that leaves says so, and the others stop waiting at once.

A rank that fails between two sums of a measurement, for want of memory say, goes on with its training. The others would
wait for it as long as the time limit of the group, while the training's own collective, which they have yet to come to,
may run out of time. So whoever leaves writes a key, which the others look for while they wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist

from htmu_diag.errors import HTMUError, MeasurementError

__all__ = ["Left", "Silence", "summed", "watched"]

LOOK = 0.1  # seconds between two looks at who has left
_LEFT: WeakKeyDictionary[Any, Callable[[], bool]] = WeakKeyDictionary()


class Left(MeasurementError):
    """Another rank has left the measurement; its own message says why."""


class Silence(MeasurementError):
    """A sum over ranks failed, or ran out of time."""


def watched(group: Any, left: Callable[[], bool]) -> None:
    """From now on sums over this group look whether somebody has left."""
    _LEFT[group] = left


def summed(tensor: torch.Tensor, group: Any = None, op: Any = dist.ReduceOp.SUM) -> torch.Tensor:
    """The tensor, reduced in place over the group. Raises `Left` where another has left, `Silence` where none comes."""
    left = _LEFT.get(group) if group is not None else None
    if left is None:
        dist.all_reduce(tensor, op=op, group=group)
        return tensor
    try:
        _finish(dist.all_reduce(tensor, op=op, group=group, async_op=True), left)
    except HTMUError:
        raise
    except RuntimeError as error:
        raise Silence(str(error).splitlines()[0][:200]) from error
    return tensor


def _finish(work: Any, left: Callable[[], bool]) -> None:
    began = looked = time.monotonic()
    while not work.is_completed():
        now = time.monotonic()
        if now - looked > LOOK:
            looked = now
            if left():
                raise Left("another rank left the measurement; its own message says why")
        time.sleep(min(1e-5 + (now - began) / 20, 0.01))
    work.wait()
