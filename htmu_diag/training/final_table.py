"""The final table, cut to the terminal: columns that do not fit go into further tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from htmu_diag.analysis import Diagnosis
from htmu_diag.report.cells import Column, columns

__all__ = ["final_tables"]

PADDING = 3  # a border and a blank on each side, for each column


def final_tables(diagnoses: Sequence[Diagnosis], width: int, title: str) -> list[Table]:
    """Tables, each at most ``width`` characters wide where a layer's name and one column fit into it.

    All columns of `report.diagnosis_table` appear once; each table starts with the layer (and the kind).
    """
    shown = columns(diagnoses)
    fixed = [column for column in shown if column.heading in ("layer", "kind")]
    others = [column for column in shown if column not in fixed]
    tables = []
    for number, group in enumerate(_groups(fixed, others, diagnoses, width)):
        table = Table(title=title if number == 0 else None, header_style="bold")
        for column in (*fixed, *group):
            table.add_column(column.heading, justify="right" if column.numeric else "left", overflow="fold")
        for diagnosis in diagnoses:
            table.add_row(*[escape(column.text(diagnosis)) for column in (*fixed, *group)])
        tables.append(table)
    return tables


def _groups(
    fixed: Sequence[Column], others: Sequence[Column], diagnoses: Sequence[Diagnosis], width: int
) -> list[list[Column]]:
    start = sum(_width(column, diagnoses) for column in fixed) + 1
    groups: list[list[Column]] = [[]]
    used = start
    for column in others:
        needed = _width(column, diagnoses)
        if groups[-1] and used + needed > width:
            groups.append([])
            used = start
        groups[-1].append(column)
        used += needed
    return groups


def _width(column: Column, diagnoses: Sequence[Diagnosis]) -> int:
    return PADDING + max(len(text) for text in (column.heading, *map(column.text, diagnoses)))
