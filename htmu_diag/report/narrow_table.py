"""One table for a terminal of any width: long names keep their end, the least telling columns are left out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from htmu_diag.analysis import Diagnosis
from htmu_diag.analysis.words import NO_VALUE
from htmu_diag.report.cells import Column, columns

__all__ = ["narrow_table"]

_GAP = 3  # blanks between columns; the edges take two more
_NAME_SHARE, _MOST = 0.4, 0.6  # of the width for the layer's name, where names are that long
# what a reader of one line needs first; columns that are not named here follow in their own order
_FIRST = ("alpha +- stderr", "verdict", "kappa", "tail", "p", "spikes", "KS", "n_tail", "shape")


def narrow_table(diagnoses: Sequence[Diagnosis], width: int, title: str = "") -> tuple[Table, list[str]]:
    """A row a diagnosis in at most ``width`` characters, and the headings of the columns that did not fit.

    Columns without a value in any row are left out unsaid.
    """
    layer, *others = columns(diagnoses)
    names = _short([layer.text(diagnosis) for diagnosis in diagnoses], width)
    told = [column for column in others if any(column.text(d) != NO_VALUE for d in diagnoses)]
    shown = _fitting(told, diagnoses, width - max(map(len, [layer.heading, *names])) - _GAP - 2)
    table = Table(title=Text(title) if title else None, title_justify="left", box=SIMPLE_HEAD)
    table.add_column(layer.heading, no_wrap=True)
    for column in shown:
        table.add_column(column.heading, justify="right" if column.numeric else "left", no_wrap=True)
    for name, diagnosis in zip(names, diagnoses, strict=True):
        table.add_row(Text(name), *[Text(column.text(diagnosis)) for column in shown])
    return table, [column.heading for column in told if column not in shown]


def _short(names: Sequence[str], width: int) -> list[str]:
    """The ends of long names, where layers differ; longer ones where they would be the same."""
    if max(map(len, names)) > _NAME_SHARE * width:
        names = [name.removesuffix(".weight") for name in names]
    for room in range(max(int(_NAME_SHARE * width), 12), max(int(_MOST * width), 12) + 1):
        short = [name if len(name) <= room else f"...{name[3 - room :]}" for name in names]
        if len(set(short)) == len(set(names)):
            break
    return short


def _fitting(told: Sequence[Column], diagnoses: Sequence[Diagnosis], room: int) -> list[Column]:
    """The most telling columns that fit, in the order of the table."""
    rank = {heading: place for place, heading in enumerate(_FIRST)}
    shown: list[Column] = []
    for column in sorted(told, key=lambda c: rank.get(c.heading, len(rank))):
        needed = _GAP + max(len(text) for text in (column.heading, *map(column.text, diagnoses)))
        if needed <= room:
            shown.append(column)
            room -= needed
    return [column for column in told if column in shown]
