"""Checkpoints of a training as a time series, in a run folder like that of a live run.

The same spectra, tags, storage and TensorBoard pages as `watch` writes: curves of a training that nobody watched lie
beside those of one that was, and `load_run` reads the folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from htmu_diag.analysis import Options, Reading, StepRecord
from htmu_diag.errors import InputError
from htmu_diag.offline.analyze import analyze
from htmu_diag.offline.folders import find_series
from htmu_diag.report.analysis import Analysis
from htmu_diag.sinks import TensorBoardSink
from htmu_diag.storage import Store, run_info

__all__ = ["analyze_series"]


def analyze_series(
    folder: str | os.PathLike[str],
    *,
    log_dir: str | os.PathLike[str] | None = None,
    options: Options | None = None,
    on_error: Callable[[int, InputError], object] | None = None,
    **choices: Any,
) -> Iterator[Analysis]:
    """The analysis of each checkpoint in a folder, by ascending step, one at a time.

    folder: holds checkpoints whose names have steps (step_100, checkpoint-500, ...), or a run with ``checkpoints/``.
    log_dir: a run folder to write (on the rank that gathers): stored spectra and TensorBoard events, each step as soon
        as it is done. options, choices: as in `analyze`.
    on_error: called for a checkpoint that cannot be read; the others go on. Without it the error is raised.

    Raises InputError where there is no such checkpoint or none can be read, StorageError for a log_dir in use.
    """
    series = find_series(folder)
    if series is None:
        raise InputError(f"{folder}: no checkpoint with a step in its name, such as step_100 or checkpoint-500")
    options = options or Options()
    read, error = 0, None
    with _Log(log_dir, series.folder, options) as log:
        for step, path in series.steps:
            try:
                analysis = analyze(path, step=step, options=options, **choices)
            except InputError as failure:
                error = failure
                log.note(step, str(failure))
                if on_error is None:
                    raise
                on_error(step, failure)
                continue
            read += 1
            log.write(step, analysis)
            yield analysis
    if not read and error is not None:
        raise error


class _Log(ExitStack):
    """The run folder of a series; nothing at all without one."""

    def __init__(self, log_dir: str | os.PathLike[str] | None, source: Path, options: Options) -> None:
        super().__init__()
        self._store: Store | None = None
        self._options = options
        if log_dir is not None:
            info = run_info({"checkpoints": str(source)}, options=asdict(options))
            self._store = self.enter_context(Store(log_dir, info=info))
            self._sink = TensorBoardSink(log_dir)
            self._sink.open(info, start_step=0)
            self.callback(self._sink.close)

    def write(self, step: int, analysis: Analysis) -> None:
        events = tuple(f"{layer.name}: {layer.reason}" for layer in analysis.unusable)
        self._record(StepRecord(step, time.time(), analysis.diagnoses, events=events))

    def note(self, step: int, sentence: str) -> None:
        self._record(StepRecord(step, time.time(), events=(sentence,)))

    def _record(self, record: StepRecord) -> None:
        if self._store is not None:
            spectra = [diagnosis.spectrum for diagnosis in record.diagnoses]
            self._store.write(record.step, spectra, wall_time=record.wall_time, events=record.events)
            readings = [Reading.of(diagnosis) for diagnosis in record.diagnoses]
            self._store.write_numbers(record.step, spectra, readings, self._options, wall_time=record.wall_time)
            self._sink.write(record)
