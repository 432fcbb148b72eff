"""The progress bar of an analysis: on a terminal only, gone when the work is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from htmu_diag.offline.analyze import Progress

__all__ = ["progress_bar"]

_LONGEST = 36  # characters of a layer's name: its end, where layers differ


@contextmanager
def progress_bar(console: Console, what: str, pieces: int = 1) -> Iterator[Callable[[Progress], None]]:
    """A bar over pieces of work (checkpoints), filled within each by its share of the arithmetic."""
    if not console.is_terminal or console.quiet:
        yield lambda progress: None
        return
    columns = TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[at]}", markup=False)
    with Bar(*columns, TimeRemainingColumn(compact=True), console=console, expand=True, transient=True) as bar:
        task = bar.add_task(what, total=pieces, at="")
        begun: list[int | None] = []

        def report(progress: Progress) -> None:
            if progress.step not in begun:
                begun.append(progress.step)
            step = f"step {progress.step} " if pieces > 1 else ""
            at = f"{step}{progress.done}/{progress.total} {progress.name[-_LONGEST:]}"
            bar.update(task, completed=len(begun) - 1 + progress.share, at=at)

        yield report
