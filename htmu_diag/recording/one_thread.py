"""One thread beside the training: calls in order, nothing dropped, errors told.

It keeps to one OpenMP thread: the limit holds for the calling thread only, so the training keeps its own threads, and
its sums their order. It is no thread of `concurrent.futures`: those take no call any more once the interpreter begins
to end, which is when a script that forgot to close its monitor still has calls that follow from others.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch
from threadpoolctl import threadpool_limits

__all__ = ["OneThread"]

_Call = tuple["Future[Any]", Callable[[], Any]]


class OneThread:
    """Runs calls one after the other until it is closed. on_error: told of what a call raised."""

    def __init__(self, on_error: Callable[[BaseException], object], name: str) -> None:
        self._on_error = on_error
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.submit(_keep_to_one_thread)  # a call as any other: it opens files, and may fail where there are no more
        self._thread.start()

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Run a call behind all earlier ones."""
        future: Future[Any] = Future()
        future.add_done_callback(self._look)
        self._calls.put((future, call))
        return future

    def wait(self) -> None:
        """Until everything submitted so far has ended."""
        self.submit(_nothing).result()

    def close(self) -> None:
        """Finish what was submitted and end the thread; harmless when called twice."""
        self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            with _Answering(future):
                future.set_result(call())
            del item, future, call  # nothing is kept until the next call

    def _look(self, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            self._on_error(error)


class _Answering(contextlib.AbstractContextManager[None]):
    """A block whose exception, of whatever kind, is its future's: the thread goes on."""

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if error is not None:
            self._future.set_exception(error)
        return True


def _keep_to_one_thread() -> None:
    torch.get_num_threads()  # torch sets a new thread's limit at its first call: let it do so before ours
    threadpool_limits(limits=1, user_api="openmp")


def _nothing() -> None:
    """Comes back when its turn has come."""
