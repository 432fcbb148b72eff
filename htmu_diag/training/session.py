"""A training run as a person sees it: a progress bar, then the table, the picture and the command for the curves."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from htmu_diag.analysis import Diagnosis, StepRecord
from htmu_diag.config import TrainConfig
from htmu_diag.files import write_atomically
from htmu_diag.report import esd_figure, png
from htmu_diag.report.tables import cells_of
from htmu_diag.report.terminal import progress_bar, say
from htmu_diag.sinks.page import PAGE
from htmu_diag.storage import load_run
from htmu_diag.training.loop import Outcome, Progress, train
from htmu_diag.training.objective import Scores

__all__ = ["run_session"]

INTERRUPTED = 130
PANELS = 12  # layers in the final picture: the largest ones, in the order of the model; more would not be readable
ROW = 4  # layers at most for which the first step is shown as well


def run_session(config: TrainConfig, out: Path, *, resume: bool = False, console: Console | None = None) -> int:
    """Train and show the result; returns the exit code, 0 or 130 after an interruption."""
    console = console or Console()
    with _bar(console, config.steps) as report:
        outcome = train(config, out, resume=resume, report=report)
    if outcome.interrupted:
        _say_interrupted(console, outcome, out)
        return INTERRUPTED
    _show(console, outcome, out)
    return 0


@contextmanager
def _bar(console: Console, steps: int) -> Iterator[Callable[[Progress], None]]:
    """A bar with the newest scores; where the output is no terminal, one line for each evaluation instead."""
    if not console.is_terminal:
        yield _lines(console, steps)
        return
    with progress_bar(console, "", steps, stays=True) as moved:
        yield lambda progress: moved(progress.step, f"{progress.step}/{steps} {_scores(progress)}")


def _lines(console: Console, steps: int) -> Callable[[Progress], None]:
    shown: list[Scores] = []

    def report(progress: Progress) -> None:
        if progress.test is not None and progress.test not in shown[-1:]:
            shown.append(progress.test)
            say(console, f"step {progress.step}/{steps}  {_scores(progress)}")

    return report


def _scores(progress: Progress) -> str:
    loss = "" if progress.train is None else f"loss {progress.train.loss:.3f}  "
    return loss if progress.test is None else f"{loss}test {100 * progress.test.accuracy:.1f} %"


def _show(console: Console, outcome: Outcome, out: Path) -> None:
    if outcome.record is not None and outcome.record.diagnoses:
        tables = cells_of(outcome.record.diagnoses).split(console.width, fixed=("layer", "kind"))
        for number, table in enumerate(tables):  # columns that do not fit go into further ones
            console.print(table.drawn(None if number else f"Step {outcome.step}"))
        say(console, f"picture:     {_picture(outcome.record, out)}")
    if outcome.test is not None:
        say(console, f"test:        accuracy {100 * outcome.test.accuracy:.2f} %, loss {outcome.test.loss:.4f}")
    if (out / PAGE).exists():
        say(console, f"page:        {out / PAGE}")
    say(console, f"curves:      tensorboard --logdir {shlex.quote(str(out))}")


def _picture(record: StepRecord, out: Path) -> Path:
    """Log-log densities with the fitted laws at the last step; where they fit into one row, the first step's above."""
    shown, first = _largest(record.diagnoses), _first_record(out, record.step)
    steps, columns = f"step {record.step}", 3
    if first is not None and len(shown) <= ROW:
        before = _largest(first.diagnoses)
        if len(before) == len(shown):
            shown, columns, steps = [*before, *shown], len(shown), f"steps {first.step} and {record.step}"
    path = out / "spectra.png"
    write_atomically(path, png(esd_figure(shown, title=f"Spectra at {steps}", columns=columns)))
    return path


def _first_record(out: Path, end: int) -> StepRecord | None:
    """The earliest stored step before the end, diagnosed; None where nothing could be stored."""
    run = load_run(out)
    return next((run.diagnose(step) for step in run.steps if step < end), None)


def _largest(diagnoses: Sequence[Diagnosis]) -> list[Diagnosis]:
    by_size = sorted(enumerate(diagnoses), key=lambda pair: -pair[1].spectrum.dimension)[:PANELS]
    return [diagnosis for _, diagnosis in sorted(by_size, key=lambda pair: pair[0])]


def _say_interrupted(console: Console, outcome: Outcome, out: Path) -> None:
    say(console, f"interrupted after step {outcome.step}; saved {outcome.checkpoint}")
    config = shlex.quote(str(out / "config.yaml"))
    say(console, f"continue:    htmu train {config} --out {shlex.quote(str(out))} --resume")
