"""Where the content of an analysis goes: a terminal, a pipe, a folder. Nothing is computed here but pictures."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Literal

from rich.console import Console

from htmu_diag.report.content import Content
from htmu_diag.report.export import csv_text, write_text
from htmu_diag.report.picture_files import write_pictures
from htmu_diag.report.strict_json import json_text
from htmu_diag.report.tables import FIRST
from htmu_diag.report.terminal import Report, say
from htmu_diag.safe_text import safe_text

__all__ = ["Data", "write_data", "write_folder", "write_terminal"]

Data = Literal["json", "csv"]


def write_terminal(content: Content, console: Console) -> None:
    """The table, cut to a terminal's width (one plain line a row where the output is a file), and the words."""
    if content.table.rows:
        _write_table(content, console)
    for line in content.words:
        say(console, line, wrap=True)


def write_data(content: Content, form: Data, out: IO[str]) -> None:
    """Everything as JSON, or the rows as CSV."""
    out.write(json_text(content.data) if form == "json" else csv_text(content.rows))


def write_folder(content: Content, folder: Path, drawn: Report, *, processes: int = 1) -> None:
    """layers.csv, analysis.json, and esd/ with a picture of every matrix. drawn: of the pictures, how many by now.

    processes: as in `write_pictures`.
    """
    write_text(folder / "layers.csv", csv_text(content.rows))
    write_text(folder / "analysis.json", json_text(content.data))
    total = len(content.shown.diagnoses)
    said = lambda count, name: drawn(count, f"{count}/{total} {name}")  # noqa: E731
    write_pictures(content.shown, folder / "esd", said, processes=processes)


def _write_table(content: Content, console: Console) -> None:
    if not console.is_terminal:
        say(console, content.table.plain())
        return
    table, left_out = content.table.narrowed(console.width, FIRST) if content.cut else (content.table, [])
    console.print(table.drawn(safe_text(content.title), compact=True))
    if left_out:
        say(console, f"not in this width: {', '.join(left_out)}; --csv has every number", wrap=True)
