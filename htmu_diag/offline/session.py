"""An analysis as a person sees it: a bar on stderr, the result on stdout, and files where they were asked for.

stdout holds the result and nothing else, so that JSON and CSV can be piped; what is said beside it goes to stderr.
"""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from htmu_diag.errors import InputError, StorageError
from htmu_diag.offline.analyze import Progress, analyze
from htmu_diag.offline.bar import progress_bar
from htmu_diag.offline.folders import CheckpointSeries, find_series
from htmu_diag.offline.series import analyze_series
from htmu_diag.offline.texts import describe, say, show_layers, show_steps
from htmu_diag.report.analysis import Analysis, Names
from htmu_diag.report.export import as_content, csv_text, json_text, write_pictures, write_text
from htmu_diag.storage.lock import alone

__all__ = ["Form", "Request", "run_analysis"]

Form = Literal["table", "json", "csv"]


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


def run_analysis(request: Request) -> None:
    """Analyse, show and write. Raises HTMUError for what cannot be read or written, or has no usable matrix."""
    stderr = Console(stderr=True, quiet=not request.writes)
    series = find_series(request.path)
    if series is None:
        _one(request, stderr)
    else:
        _through_time(request, series, stderr)


def _one(request: Request, stderr: Console) -> None:
    """One model: a row a matrix."""
    if request.out is not None and request.out.is_dir() and any(request.out.iterdir()):
        raise StorageError(f"--out: {request.out} is not empty; name another folder")
    with progress_bar(stderr, "matrices") as report:
        analysis = analyze(request.path, progress=report, **request.choices)
    if not request.writes:
        return
    content = as_content(analysis, request.names)
    _write_files(request, content, content["layers"], analysis, stderr)
    if request.form == "table":
        stdout = Console()
        show_layers(stdout, analysis)
        for line in describe(analysis):
            say(stdout, line, wrap=True)
    else:
        _print_data(request, content, content["layers"])
    if not analysis.diagnoses:
        first = analysis.unusable[0].reason
        raise InputError(f"{analysis.model}: none of {len(analysis.layers)} matrices is usable; {first}")


def _through_time(request: Request, series: CheckpointSeries, stderr: Console) -> None:
    """A training: a row a step."""
    if series.beside:
        say(stderr, f"left out, no step in the name: {', '.join(series.beside)}")
    kept = _followed(request, series, stderr)
    if not request.writes or kept.last is None:
        return
    content = {"checkpoints": str(series.folder), "steps": kept.contents}
    rows = [{"step": one["step"], **row} for one in kept.contents for row in one["layers"]]
    with alone(request.out) if request.out else nullcontext():  # other commands may write the same
        _write_files(request, content, rows, kept.last, stderr)
    if request.form != "table":
        _print_data(request, content, rows)
        return
    stdout = Console()
    show_steps(stdout, [one["step"] for one in kept.contents], kept.summaries)
    if request.out:
        say(stdout, f"curves:      tensorboard --logdir {shlex.quote(str(request.out))}")
    else:
        say(stderr, "for curves in TensorBoard add --out DIR")


@dataclass
class _Kept:
    """What is kept of each step: plain values; spectra and fits of the last one only."""

    contents: list[dict[str, Any]] = field(default_factory=list)
    summaries: list[dict[str, float]] = field(default_factory=list)
    last: Analysis | None = None


def _followed(request: Request, series: CheckpointSeries, stderr: Console) -> _Kept:
    kept = _Kept()
    with progress_bar(stderr, "checkpoints", len(series.steps)) as report:
        for analysis in analyze_series(
            series.folder,
            log_dir=request.out,
            on_error=lambda step, error: say(stderr, f"step {step} left out: {error}"),
            progress=report,
            **request.choices,
        ):
            kept.contents.append(as_content(analysis, request.names))
            kept.summaries.append(analysis.summary())
            kept.last = analysis
    return kept


def _print_data(request: Request, content: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    sys.stdout.write(json_text(content) if request.form == "json" else csv_text(rows))


def _write_files(
    request: Request, content: dict[str, Any], rows: list[dict[str, Any]], shown: Analysis, stderr: Console
) -> None:
    """layers.csv, analysis.json, and esd/ with a picture of every matrix."""
    if request.out is None:
        return
    write_text(request.out / "layers.csv", csv_text(rows))
    write_text(request.out / "analysis.json", json_text(content))
    with progress_bar(stderr, "pictures") as report:
        total = len(shown.layers)
        write_pictures(shown, request.out / "esd", lambda i, name: report(Progress(i, total, name, i / total)))
    say(stderr, f"written:     {request.out}{'/' if request.out.name else ''} (layers.csv, analysis.json, esd/)")
