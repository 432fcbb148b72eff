"""Steps that are stored and wait to be diagnosed and shown: in their order, on a thread of their own.

Measuring does not wait for it: where diagnosing takes longer than the time between two snapshots, what is stored grows
ahead of what is diagnosed, and a training goes on. Of a long backlog only the oldest spectra are in memory; the others
are read back from the store, bit for bit as they were, when their turn comes. At the end there is a limit: what is left
then stays in the store, and whoever reads the run diagnoses it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from htmu_diag.ranks.team import Found
from htmu_diag.recording.one_thread import OneThread
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage import load_run

__all__ = ["FINISHES_WITHIN", "Backlog", "Held"]

# seconds of diagnosing once the end is waited for, and two more for what is under way then, the sinks and packing:
FINISHES_WITHIN = 18.0  # those who stop a job kill it 30 s after they asked (Slurm, Kubernetes)
HELD_BYTES = 64 * 2**20  # of spectra in memory; a snapshot of a 124 M GPT has 0.6 MB


@dataclass
class Held:
    """The spectra of a waiting step: in memory, or by their places in the store.

    found: with spectra, empty where they were put aside. places: (probe, order, kind, name) of each.
    """

    step: int
    found: list[Found]
    places: list[tuple[str, int, str, str]] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        return sum(f.spectrum.values.nbytes + f.spectrum.masses.nbytes for f in self.found)

    def put_aside(self) -> None:
        """Keep the places only: the spectra are in the store."""
        self.places = [(f.probe, f.order, *_key(f.spectrum)) for f in self.found]
        self.found = []

    def read(self, directory: Path | None) -> list[Found]:
        """All of them. Raises StorageError."""
        if not self.places or directory is None:
            return self.found
        there = {_key(spectrum): spectrum for spectrum in load_run(directory).spectra(self.step)}
        return [Found(probe, order, there[kind, name]) for probe, order, kind, name in self.places]


class Backlog:
    """Calls one behind the other on its thread; knows how many spectra wait, and since when.

    on_error: told of what a call raised.
    """

    def __init__(self, on_error: Callable[[BaseException], object]) -> None:
        self._thread = OneThread(on_error, "htmu-diag-fits")
        self._lock = threading.Lock()
        self._waiting: dict[int, tuple[int, int, float]] = {}  # ticket -> spectra, bytes, since when
        self._tickets = 0
        self._deadline: float | None = None

    @property
    def spectra(self) -> int:
        """Spectra that are not diagnosed yet."""
        with self._lock:
            return sum(spectra for spectra, _, _ in self._waiting.values())

    @property
    def steps(self) -> int:
        """Steps that are not diagnosed yet."""
        return len(self._waiting)

    @property
    def seconds(self) -> float:
        """How long the oldest of them has been waiting."""
        with self._lock:
            return time.monotonic() - min((since for _, _, since in self._waiting.values()), default=time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether the time for the end has passed: what is left stays in the store."""
        return self._deadline is not None and time.monotonic() > self._deadline

    def add(self, held: Held, call: Callable[[], object], *, stored: bool) -> None:
        """Diagnose a step behind all earlier ones. stored: whether it may be put aside."""
        with self._lock:
            if stored and sum(size for _, size, _ in self._waiting.values()) + held.nbytes > HELD_BYTES:
                held.put_aside()
            self._tickets += 1
            ticket = self._tickets
            self._waiting[ticket] = len(held.found) + len(held.places), held.nbytes, time.monotonic()
        self.submit(call).add_done_callback(partial(self._done, ticket))

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Run a small call behind all earlier ones."""
        return self._thread.submit(call)

    def wait(self) -> None:
        """Until everything submitted so far has ended."""
        self._thread.wait()

    def hurry(self) -> None:
        """From any thread: the end is waited for from now on, for whatever else comes before this."""
        self._deadline = self._deadline or time.monotonic() + FINISHES_WITHIN

    def close(self) -> None:
        """Finish within the limit; harmless when called twice."""
        self.hurry()
        self._thread.close()

    def _done(self, ticket: int, future: Future[Any]) -> None:
        with self._lock:
            del self._waiting[ticket]


def _key(spectrum: Spectrum) -> tuple[str, str]:
    return spectrum.source.kind.value, spectrum.source.name
