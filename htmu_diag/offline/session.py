"""An analysis as it is asked for on the command line: computed with a bar on stderr, then handed to writers.

stdout holds the result and nothing else, so that JSON and CSV can be piped; what is said beside it goes to stderr.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from htmu_diag.cores import cores
from htmu_diag.errors import InputError, StorageError
from htmu_diag.offline.analyze import Progress, analyze
from htmu_diag.offline.folders import CheckpointSeries, find_series
from htmu_diag.own_process import is_own_process
from htmu_diag.report.analysis import Names
from htmu_diag.report.content import Content, StepsContent, content_of
from htmu_diag.report.figures import import_matplotlib
from htmu_diag.report.terminal import progress_bar, say
from htmu_diag.report.writers import write_data, write_folder, write_terminal
from htmu_diag.solvers.threads import numpy_on_one_thread
from htmu_diag.storage.lock import alone
from htmu_diag.storage.shared_store import LAYERS, goes_on

__all__ = ["Form", "Request", "run_analysis"]

Form = Literal["table", "json", "csv"]
_LONGEST = 36  # characters of a layer's name beside the bar: its end, where layers differ


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line.

    choices: of `analyze`. writes: whether this process shows and writes the result (rank 0 does).
    """

    path: str
    form: Form = "table"
    names: Names = "htmu"
    out: Path | None = None
    choices: dict[str, Any] = field(default_factory=dict)
    writes: bool = True


def run_analysis(request: Request) -> list[int]:
    """Analyse, write and show; returns the steps whose checkpoints could not be read.

    Raises HTMUError for what cannot be read or written, or has no usable matrix.
    """
    stderr = Console(stderr=True, quiet=not request.writes)
    series, left_out = find_series(request.path), list[int]()
    content = _one(request, stderr) if series is None else _through_time(request, series, left_out, stderr)
    if not request.writes or content is None:
        return left_out
    if request.out is not None:
        with alone(request.out) if series else nullcontext():  # other commands may write the same
            _write_folder(content, request.out, stderr)
    if request.form != "table":
        write_data(content, request.form, sys.stdout)
    else:
        stdout = Console()
        write_terminal(content, stdout)
        if series:
            _say_where_curves_are(request, stdout, stderr)
    if not content.shown.diagnoses and series is None:
        first, all_of_them = content.shown.unusable[0].reason, len(content.shown.layers)
        raise InputError(f"{content.shown.model}: none of {all_of_them} matrices is usable; {first}")
    return left_out


def _one(request: Request, stderr: Console) -> Content:
    if request.out is not None and request.writes:
        _refuse_foreign(request.out)
    with _bar(stderr, "matrices") as report:
        progress = _drawing_soon(report) if request.out is not None and request.writes else report
        analysis = analyze(request.path, progress=progress, parts=request.out, **request.choices)
    return content_of(analysis, request.names)


def _drawing_soon(report: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """The same report; after the first matrix, while other processes measure the rest, this one imports matplotlib."""

    def reported(progress: Progress) -> None:
        report(progress)
        import_matplotlib()

    return reported


def _refuse_foreign(out: Path) -> None:
    """A folder with anything but what such an analysis left there, whichever of its ranks was first."""
    if out.is_dir() and not goes_on(out) and any(path.name != LAYERS for path in out.iterdir()):
        raise StorageError(f"--out: {out} is not empty; name another folder")


def _through_time(request: Request, series: CheckpointSeries, left_out: list[int], stderr: Console) -> Content | None:
    def leave_out(step: int, error: InputError) -> None:
        left_out.append(step)
        say(stderr, f"step {step} left out: {error}")

    from htmu_diag.offline.series import analyze_series  # with TensorBoard, which one checkpoint does not need

    if series.beside:
        say(stderr, f"left out, no step in the name: {', '.join(series.beside)}")
    if request.out is not None and goes_on(request.out):
        raise StorageError(f"--out: {request.out} holds the analysis of one checkpoint; name another folder")
    content = StepsContent(str(series.folder), request.names)
    with _bar(stderr, "checkpoints", len(series.steps)) as report:
        for analysis in analyze_series(
            series.folder,
            log_dir=request.out,
            on_error=leave_out,
            progress=report,
            **request.choices,
        ):
            content.add(analysis)
    return content.whole()


@contextmanager
def _bar(console: Console, what: str, pieces: int = 1) -> Iterator[Callable[[Progress], None]]:
    """A bar over pieces of work (checkpoints), filled within each by its share of the arithmetic."""
    begun: list[int | None] = []
    with progress_bar(console, what, pieces) as moved:

        def report(progress: Progress) -> None:
            if progress.step not in begun:
                begun.append(progress.step)
            step = f"step {progress.step} " if pieces > 1 else ""
            where = f"{step}{progress.done}/{progress.total} {progress.name[-_LONGEST:]}"
            moved(len(begun) - 1 + progress.share, where)

        yield report


def _write_folder(content: Content, out: Path, stderr: Console) -> None:
    processes = cores() if is_own_process() else 1
    with numpy_on_one_thread(), progress_bar(stderr, "pictures", len(content.shown.diagnoses)) as drawn:
        write_folder(content, out, drawn, processes=processes)
    say(stderr, f"written:     {out}{'/' if out.name else ''} (layers.csv, analysis.json, esd/)")


def _say_where_curves_are(request: Request, stdout: Console, stderr: Console) -> None:
    if request.out:
        say(stdout, f"curves:      tensorboard --logdir {shlex.quote(str(request.out))}")
    else:
        say(stderr, "for curves in TensorBoard add --out DIR")
