"""The places of the snapshots that are under way: each holds copies of the weights until its spectra are stored.

A snapshot takes a place before it copies anything. Two places, one worked on while the next is copied, are enough where
computing is short: the training hardly waits for one, and a process that is killed loses no more than these. Where
computing takes longer than the time between two snapshots it would wait at each: then there are more, as many as are
computed in two seconds and no more than a limit of memory holds. That is what a killed process loses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import torch

from htmu_diag.recording.one_thread import OneThread

__all__ = ["LOST", "SHORT", "Worker", "places"]

COPIES = 512 * 2**20  # bytes of weights that wait to be decomposed, where that lags
SHORT = 0.005  # CPU seconds of computing a snapshot: waiting for as long is not felt
LOST = 2.0  # CPU seconds of computing that may wait, and that a process which is killed has taken in vain


class Worker:
    """Runs calls one after the other on its thread.

    most: snapshots under way at once where computing is long. usual: elsewhere. on_wait: told that somebody stands
    still for what was submitted.
    """

    def __init__(
        self,
        on_error: Callable[[BaseException], object],
        most: int = 2,
        usual: int = 2,
        on_wait: Callable[[], object] = lambda: None,
    ) -> None:
        self._thread, self._on_wait = OneThread(on_error, "htmu-diag"), on_wait
        self._usual, self._most = usual, max(usual, most)
        self._taken = 0
        self._fastest = float("inf")
        self._expected = 0.0  # until the first one has been computed
        self._free = threading.Condition()

    def reserve(self, seconds: float) -> bool:
        """Whether a place for a snapshot became free in that time; `submit_reserved` or `release` gives it back."""
        with self._free:
            if self._taken >= self._places:
                self._on_wait()
            if not self._free.wait_for(lambda: self._taken < self._places, timeout=seconds):
                return False
            self._taken += 1
        return True

    def release(self) -> None:
        """Give a place back without having submitted anything."""
        with self._free:
            self._taken -= 1
            self._free.notify_all()

    def submit_reserved(self, call: Callable[[], float], expected: float = 0.0) -> Future[Any]:
        """Run a call behind all earlier ones; its place becomes free when it ends, however it ends.

        call: gives the CPU seconds that it took to compute. expected: how many are known of beforehand.
        """
        self._expected = max(self._expected, expected)
        future = self.submit(lambda: self._keep_fastest(call()))
        future.add_done_callback(lambda _: self.release())
        return future

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Run a small call behind all earlier ones."""
        return self._thread.submit(call)

    def wait(self) -> None:
        """Until everything submitted so far has ended."""
        self._on_wait()
        self._thread.wait()

    def close(self) -> None:
        """Finish what was submitted and end the thread; harmless when called twice."""
        self._thread.close()

    @property
    def _places(self) -> int:
        seconds = self._expected if self._fastest == float("inf") else self._fastest
        return self._usual if seconds < SHORT else max(self._usual, min(self._most, int(LOST / seconds)))

    def _keep_fastest(self, seconds: float) -> None:
        """The fastest snapshot counts: the first one loads libraries, and others may be in the way."""
        self._fastest = min(self._fastest, seconds)


def places(model: torch.nn.Module) -> int:
    """Snapshots whose copies fit into the memory for them; on an accelerator there is none to spare."""
    parameters = [parameter for parameter in model.parameters() if not torch.nn.parameter.is_lazy(parameter)]
    if any(parameter.device.type != "cpu" for parameter in parameters):
        return 0
    return int(COPIES // max(sum(parameter.nbytes for parameter in parameters), 1))
