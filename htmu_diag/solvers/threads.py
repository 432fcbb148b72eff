"""BLAS threads: chosen for a block of code and restored after it.

Two BLAS threads on two cores that others keep busy made the same eigenvalues eight times slower (their barriers wait
for the scheduler), so the caller chooses, and the process is left as it was.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path

import torch
from threadpoolctl import ThreadpoolController

__all__ = ["blas_threads", "numpy_on_one_thread"]

_WHEELS = ("numpy.libs", "scipy.libs", ".dylibs")  # .dylibs: inside both packages, on macOS


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


@contextlib.contextmanager
def numpy_on_one_thread() -> Iterator[None]:
    """Run the block with one thread in the BLAS that numpy and scipy bring along, and torch's as they are.

    For work beside a training. The limit holds for numpy in all threads, so a BLAS that torch may share is left alone.
    """
    with _numpys_own().limit(limits=1):
        yield


@functools.cache
def _numpys_own() -> ThreadpoolController:
    """The OpenBLAS inside the wheels of numpy and scipy; nothing where they use one from elsewhere."""
    libraries = _pools().select(internal_api="openblas").info()
    own = [library["filepath"] for library in libraries if Path(library["filepath"]).parent.name in _WHEELS]
    return _pools().select(filepath=own)


@functools.cache
def _pools() -> ThreadpoolController:
    """The libraries loaded by torch and numpy, looked for once: that takes milliseconds, as long as a small matrix."""
    return ThreadpoolController()
