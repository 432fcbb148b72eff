"""BLAS threads: chosen for a block of code and restored after it.

Two BLAS threads on two cores that other processes keep busy made the same eigenvalues eight times slower (their
barriers wait for the scheduler), so the caller chooses, and the process is left as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits

__all__ = ["blas_threads"]


@contextlib.contextmanager
def blas_threads(count: int | None) -> Iterator[None]:
    """Run the block with that many threads in torch and in every BLAS that is loaded; None changes nothing."""
    before = torch.get_num_threads()
    if count is None or count == before == 1:
        yield
        return
    with threadpool_limits(count):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)
