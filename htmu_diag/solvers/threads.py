"""BLAS threads: chosen for a block of code and restored after it.

Two BLAS threads on two cores that other processes keep busy made the same eigenvalues eight times slower (their
barriers wait for the scheduler), so the caller chooses, and the process is left as it was.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["blas_threads"]


@contextlib.contextmanager
def blas_threads(count: int | None) -> Iterator[None]:
    """Run the block with that many threads in torch and in numpy's BLAS; None changes nothing."""
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    with _pools().limit(limits=count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@functools.cache
def _pools() -> ThreadpoolController:
    """The libraries loaded by torch and numpy, looked for once: that takes milliseconds, as long as a small matrix."""
    return ThreadpoolController()
