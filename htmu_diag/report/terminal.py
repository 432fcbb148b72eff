"""What is printed: lines as they are, and the one progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from htmu_diag.safe_text import safe_text

__all__ = ["Report", "progress_bar", "say"]

Report = Callable[[float, str], None]


def say(console: Console, text: str, *, wrap: bool = False) -> None:
    """Lines as they are: never coloured or read as markup; wrapped between words on a terminal, and if asked for."""
    text = "\n".join(safe_text(line, longest=None) for line in text.split("\n"))
    console.print(text, soft_wrap=not (wrap and console.is_terminal), markup=False, emoji=False, highlight=False)


@contextmanager
def progress_bar(console: Console, what: str, total: float, *, stays: bool = False) -> Iterator[Report]:
    """A bar on a terminal, and nothing elsewhere; ``report(done, where)`` moves it.

    what: stands before it. stays: whether it remains when the work is done.
    """
    if not console.is_terminal or console.quiet:
        yield lambda done, where: None
        return
    columns = TextColumn("{task.description}"), BarColumn(bar_width=None), TextColumn("{task.fields[at]}", markup=False)
    remaining = TimeRemainingColumn(compact=True)
    with Progress(*columns, remaining, console=console, expand=True, transient=not stays) as bar:
        task = bar.add_task(what, total=total, at="")
        yield lambda done, where: bar.update(task, completed=done, at=where)
