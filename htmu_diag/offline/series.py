"""Checkpoints of a training as a time series, in a run folder like that of a live run.

The same spectra, tags, storage and TensorBoard pages as `watch` writes: curves of a training that nobody watched lie
beside those of one that was, and `load_run` reads the folder. Any number of processes may fill one folder: each claims
a checkpoint that nobody has in hand, and a process that was killed is replaced by giving the same command again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htmu_diag.analysis import Options
from htmu_diag.arguments import PATH, checked, instance, optional
from htmu_diag.errors import InputError
from htmu_diag.offline.analyze import Progress, analyze
from htmu_diag.offline.asked import files_of
from htmu_diag.offline.folders import find_series
from htmu_diag.offline.series_folder import Failed, SeriesFolder
from htmu_diag.report.analysis import Analysis

__all__ = ["analyze_series"]

_POLL_SECONDS = 0.2  # between looks at what other processes have in hand
Steps = Sequence[tuple[int, Path]]


@checked(folder=PATH, log_dir=optional(PATH), options=optional(instance("htmu_diag.Options(...)", Options)))
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
    log_dir: a run folder to write: stored spectra and numbers of each step as soon as it is done, TensorBoard events
        when all are. What an earlier call with the same choices left there is not analysed again, and processes that
        are given the same folder (also ranks of a torch.distributed job) share the checkpoints.
    options, choices: as in `analyze`.
    on_error: called for a checkpoint that cannot be read; the others go on. Without it the error is raised.

    Raises InputError where there is no such checkpoint or none can be read, StorageError for a log_dir that is written
    by `watch` or holds the results of other choices.
    """
    series = find_series(folder)
    if series is None:
        raise InputError(f"{folder}: no checkpoint with a step in its name, such as step_100 or checkpoint-500")
    work = _Work(options or Options(), choices)
    found = _alone(series.steps, work) if log_dir is None else _together(series.folder, series.steps, work, log_dir)
    read, failure = 0, None
    for one in found:
        if isinstance(one, Analysis):
            read += 1
            yield one
            continue
        failure = InputError(one.reason)
        if on_error is None:
            raise failure
        on_error(one.step, failure)
    if not read and failure is not None:
        raise failure


@dataclass(frozen=True)
class _Work:
    """How a checkpoint is analysed."""

    options: Options
    choices: dict[str, Any]

    def asked(self) -> dict[str, Any]:
        """What the numbers depend on."""
        return {name: value for name, value in self.choices.items() if name not in ("progress", "ranks", "jobs")}

    def __call__(self, step: int, path: Path, *, ranks: bool) -> Analysis | Failed:
        choices = {**self.choices, **({} if ranks else {"ranks": False})}
        try:
            return analyze(path, step=step, options=self.options, **choices)
        except InputError as error:
            return Failed(step, str(error))

    def passed(self, found: Analysis | Failed) -> None:
        """Another process did it: the bar goes on as well."""
        progress, layers = self.choices.get("progress"), getattr(found, "layers", ())
        if progress is not None and layers:
            progress(Progress(len(layers), len(layers), layers[-1].name, 1.0, found.step))


def _alone(steps: Steps, work: _Work) -> Iterator[Analysis | Failed]:
    """Nothing is kept; ranks share the matrices of each checkpoint."""
    for step, path in steps:
        yield work(step, path, ranks=True)


def _together(source: Path, steps: Steps, work: _Work, log_dir: str | os.PathLike[str]) -> Iterator[Analysis | Failed]:
    """In the order of the steps, whoever did them; while the next one is in other hands, one of the later ones."""
    with SeriesFolder(Path(log_dir), source, work.options, work.asked()) as out:
        waiting, done = list(steps), set[int]()
        while waiting:
            step, path = waiting[0]
            if step in done or out.is_done(step, path):
                found = out.found(step)
                if step not in done:
                    work.passed(found)
                yield found
                waiting.pop(0)
            elif not _advanced(out, waiting, done, work):
                time.sleep(_POLL_SECONDS)
        out.finish([step for step, _ in steps])


def _advanced(out: SeriesFolder, waiting: Steps, done: set[int], work: _Work) -> bool:
    """Whether there was a checkpoint to analyse; those that need no second look join ``done``."""
    for step, path in waiting:
        if step in done:
            continue
        if out.is_done(step, path):
            work.passed(out.found(step))
            done.add(step)
        elif _analysed(out, step, path, work):
            done.add(step)
            return True
    return False


def _analysed(out: SeriesFolder, step: int, path: Path, work: _Work) -> bool:
    """Whether this process did it now; not where it is in other hands, or was until now."""
    with out.claim(step) as mine:
        if not mine or out.is_done(step, path):
            return False
        files = files_of(path)  # before it is read: a checkpoint that is still being written is looked at again
        out.keep(step, path, work(step, path, ranks=False), files)
        return True
