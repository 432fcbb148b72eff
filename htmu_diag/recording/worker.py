"""One worker thread beside the training: work in order, a bounded queue, nothing dropped.

A snapshot takes a place before it copies anything, so that at most ``depth`` copies of the weights exist; when all
places are taken the training waits (back-pressure) and nothing is lost. The worker keeps to one OpenMP thread: the
limit holds for the calling thread only, so the training keeps its own threads, and its sums their order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from threadpoolctl import threadpool_limits

__all__ = ["Worker"]


class Worker:
    """Runs calls one after the other on its thread.

    depth: snapshots under way at once. 2 by default: one is worked on while the next is copied.
    """

    def __init__(self, on_error: Callable[[BaseException], object], depth: int = 2) -> None:
        self._on_error = on_error
        self._places = threading.BoundedSemaphore(depth)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="htmu-diag", initializer=_keep_to_one_thread)

    def reserve(self, seconds: float) -> bool:
        """Whether a place for a snapshot became free in that time; `submit_reserved` or `release` gives it back."""
        return self._places.acquire(timeout=seconds)

    def release(self) -> None:
        """Give a place back without having submitted anything."""
        self._places.release()

    def submit_reserved(self, call: Callable[[], Any]) -> Future[Any]:
        """Run a call behind all earlier ones; its place becomes free when it ends, however it ends."""
        future = self.submit(call)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Run a small call behind all earlier ones."""
        future = self._pool.submit(call)
        future.add_done_callback(self._look)
        return future

    def wait(self) -> None:
        """Until everything submitted so far has ended."""
        self._pool.submit(_nothing).result()

    def close(self) -> None:
        """Finish what was submitted and end the thread; harmless when called twice."""
        self._pool.shutdown(wait=True)

    def _look(self, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            self._on_error(error)


def _keep_to_one_thread() -> None:
    torch.get_num_threads()  # torch sets a new thread's limit at its first call: let it do so before ours
    threadpool_limits(limits=1, user_api="openmp")


def _nothing() -> None:
    """Comes back when its turn has come."""
