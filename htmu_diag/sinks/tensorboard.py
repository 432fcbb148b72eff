"""The TensorBoard sink: one event a step with all its numbers, in one run and one file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary

from htmu_diag.analysis.record import StepRecord
from htmu_diag.errors import InputError
from htmu_diag.sinks.density import add_density
from htmu_diag.sinks.events import EventFile
from htmu_diag.sinks.summaries import add_scalars, add_text

__all__ = ["TensorBoardSink"]


class TensorBoardSink:
    """Writes records to an event file in a folder; `tensorboard --logdir` of it or of a folder above shows them.

    directory: created if it does not exist. Raises StorageError where it cannot be written, InputError for steps
    that go back (TensorBoard drops what was logged after them).
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._events: EventFile | None = None
        self._last_step = 0

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        self.close()
        self._events = EventFile(self.directory, start_step)
        self._last_step = start_step
        summary = Summary()
        add_text(summary, "run/config", _markdown(run))
        self._events.add(summary, start_step, time.time())

    def write(self, record: StepRecord) -> None:
        events = self._opened(record.step)
        summary = Summary()
        add_scalars(summary, record.metrics())
        for diagnosis in record.diagnoses:
            add_density(summary, diagnosis.spectrum)
        if record.events:
            add_text(summary, "run/events", "\n\n".join(record.events))
        events.add(summary, record.step, record.wall_time)

    def close(self) -> None:
        if self._events is not None:
            self._events.close()
            self._events = None

    def _opened(self, step: int) -> EventFile:
        if self._events is None:
            raise InputError(
                f"{self.directory}: the TensorBoard sink is not open; call open(run, start_step=...) first"
            )
        if step < self._last_step:
            raise InputError(f"step {step} came after step {self._last_step}; steps must not go back within a run")
        self._last_step = step
        return self._events


def _markdown(run: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(dict(run), indent=2, default=str, ensure_ascii=False)}\n```"
