"""Processes that are ranks of a test's job, forked from a server that has imported what they need and done nothing."""

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import torch.multiprocessing as mp

IMPORTED = [
    "pytest",
    "torch._dynamo",  # an optimizer's first step would import it
    "torch.distributed.fsdp",
    "torch.distributed.tensor.parallel",
    "htmu_diag.monitor",
    "htmu_diag.operators",
    "htmu_diag.probes",
    "htmu_diag.sinks",
    "htmu_diag.storage",
    "tests.fitted",
    "tests.frozen",
]


def start(enter: Callable[..., None], *arguments: Any, ranks: int, seconds: float = 90.0) -> None:
    """Run ``enter(rank, *arguments)`` on every rank; raises what one raised, or TimeoutError; none is left behind."""
    multiprocessing.set_forkserver_preload(IMPORTED)
    context = mp.start_processes(enter, args=arguments, nprocs=ranks, join=False, start_method="forkserver")
    deadline = time.monotonic() + seconds
    try:
        while not context.join(timeout=1.0):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the ranks of {arguments} did not end within {seconds:g} s")
    finally:
        for process in context.processes:
            process.kill()
