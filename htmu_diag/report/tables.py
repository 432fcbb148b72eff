"""The table of diagnoses: for a terminal (rich), as Markdown, and as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from htmu_diag.analysis import Diagnosis
from htmu_diag.arguments import checked, several
from htmu_diag.report.cells import columns
from htmu_diag.safe_text import markdown_text

__all__ = ["diagnosis_table", "markdown_table", "plain_table"]

_DIAGNOSES = several("a list of diagnoses", "source", "numbers")


@checked(diagnoses=_DIAGNOSES)
def diagnosis_table(diagnoses: Sequence[Diagnosis], *, title: str | None = None) -> Table:
    """A rich table with one row a diagnosis: layer, shape, gamma, alpha with its standard error, ..., verdict."""
    table = Table(title=title, header_style="bold")
    shown = columns(diagnoses)
    for column in shown:
        table.add_column(column.heading, justify="right" if column.numeric else "left", overflow="fold")
    for diagnosis in diagnoses:
        table.add_row(*[escape(column.text(diagnosis)) for column in shown])
    return table


@checked(diagnoses=_DIAGNOSES)
def markdown_table(diagnoses: Sequence[Diagnosis]) -> str:
    """The same table in Markdown; what a layer's name holds is no markup."""
    shown = columns(diagnoses)
    rule = ["---:" if column.numeric else "---" for column in shown]
    rows = [
        [column.text(d) if column.numeric else markdown_text(column.text(d)) for column in shown] for d in diagnoses
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in [[c.heading for c in shown], rule, *rows])


@checked(diagnoses=_DIAGNOSES)
def plain_table(diagnoses: Sequence[Diagnosis]) -> str:
    """The same table in fixed-width text."""
    shown = columns(diagnoses)
    rows = [[column.heading for column in shown], *[[column.text(d) for column in shown] for d in diagnoses]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(shown))]
    aligned = [
        [cell.rjust(w) if column.numeric else cell.ljust(w) for cell, w, column in zip(row, widths, shown, strict=True)]
        for row in rows
    ]
    return "\n".join("  ".join(row).rstrip() for row in aligned)
