"""Working on a CUDA device while another thread records a CUDA graph.

By default a recording forbids every thread what might disturb it: an allocation, or waiting for a stream. A worker that
does either loses its work *and* breaks the recording. What runs on a side stream of its own cannot disturb one, and a
thread may say so: its mode is then "relaxed" (CUDA driver API, ``cuThreadExchangeStreamCaptureMode``).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from collections.abc import Iterator

import torch

__all__ = ["beside_captures"]

RELAXED = 2  # CU_STREAM_CAPTURE_MODE_RELAXED


@contextlib.contextmanager
def beside_captures() -> Iterator[None]:
    """What this thread does inside neither is stopped by a recording of another one nor stops it."""
    mode = ctypes.c_int(RELAXED)
    exchange = _exchange()
    if exchange is None:
        yield
        return
    exchange(ctypes.byref(mode))
    try:
        yield
    finally:
        exchange(ctypes.byref(mode))  # the exchange left what was there before


@functools.cache
def _exchange() -> ctypes._NamedFuncPointer | None:
    """The driver's function; None where torch is not built for CUDA."""
    if torch.version.cuda is None:
        return None
    try:
        return ctypes.CDLL("libcuda.so.1").cuThreadExchangeStreamCaptureMode
    except (OSError, AttributeError):  # another system's name; recordings must then not overlap with snapshots
        return None
