"""How long a trial took, of which a price is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec

import torch

__all__ = ["seconds_of_trial"]

Tried = ParamSpec("Tried")


def seconds_of_trial(run: Callable[Tried, object], *args: Tried.args, **kwargs: Tried.kwargs) -> float:
    """Seconds that ``run(*args, **kwargs)`` takes, without what it waited for the programs beside it: a trial of
    milliseconds that loses its core for one time slice would seem ten times as dear. A device's work is none of the
    processor's time, so where there is a device all of the time counts.
    """
    began, worked = time.perf_counter(), time.process_time()
    run(*args, **kwargs)
    passed, worked = time.perf_counter() - began, time.process_time() - worked
    return passed if _has_device() else min(passed, worked)


def _has_device() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available() or torch.xpu.is_available()
