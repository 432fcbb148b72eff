"""BLAS threads: chosen for a block of code and restored after it.

Two BLAS threads on two cores that others keep busy made the same eigenvalues eight times slower (their barriers wait
for the scheduler), so the caller chooses, and the process is left as it was. torch is not imported to ask it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["blas_threads", "keep_torch_to", "numpy_on_one_thread"]

_SCIPYS = "scipy.linalg"  # comes with a BLAS of its own, at its first use
_WHEELS = ("numpy.libs", "scipy.libs", ".dylibs")  # .dylibs: inside both packages, on macOS


@contextlib.contextmanager
def blas_threads(count: int | None) -> Iterator[None]:
    """Run the block with that many threads in torch and in numpy's BLAS; None changes nothing."""
    if count is None:
        yield
        return
    with _pools().limit(limits=count), _torchs(count):
        yield


def keep_torch_to(count: int) -> None:
    """For a process of one's own: that many threads in torch from now on, also where it is imported later."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    torch = _torch()
    if torch is not None:
        torch.set_num_threads(count)


@contextlib.contextmanager
def _torchs(count: int) -> Iterator[None]:
    torch = _torch()
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _torch() -> Any:
    """None where it is not loaded, or not yet as a whole."""
    module = sys.modules.get("torch")
    return module if hasattr(module, "set_num_threads") else None


@contextlib.contextmanager
def numpy_on_one_thread() -> Iterator[None]:
    """Run the block with one thread in the BLAS that numpy and scipy bring along, and torch's as they are.

    For work beside a training. The limit holds for numpy in all threads, so a BLAS that torch may share is left alone.
    """
    with _numpys_own().limit(limits=1):
        yield


def _numpys_own() -> ThreadpoolController:
    """The OpenBLAS inside the wheels of numpy and scipy; nothing where they use one from elsewhere."""
    return _found(_SCIPYS in sys.modules, _torch() is not None)[1]


def _pools() -> ThreadpoolController:
    return _found(_SCIPYS in sys.modules, _torch() is not None)[0]


@functools.cache
def _found(with_scipys: bool, with_torchs: bool) -> tuple[ThreadpoolController, ThreadpoolController]:
    """The libraries loaded by torch, numpy and scipy, and those inside the wheels of the latter two.

    Looked for once, and again when scipy or torch has loaded its own: it takes milliseconds, as long as a small matrix.
    """
    pools = ThreadpoolController()
    libraries = pools.select(internal_api="openblas").info()
    own = [library["filepath"] for library in libraries if Path(library["filepath"]).parent.name in _WHEELS]
    return pools, pools.select(filepath=own)
