"""The table of diagnoses: for a terminal (rich), as Markdown, and as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from htmu_diag.analysis import Diagnosis
from htmu_diag.arguments import checked, several
from htmu_diag.report.cells import columns
from htmu_diag.report.text_table import TextTable
from htmu_diag.safe_text import markdown_text

__all__ = ["cells_of", "diagnosis_table", "markdown_table", "narrow_table", "plain_table"]

# what a reader of one line needs first (the kind, where there are several); columns that are not named here follow
FIRST = ("kind", "alpha +- stderr", "verdict", "kappa", "tail", "p", "spikes", "KS", "n_tail", "shape")


def cells_of(diagnoses: Sequence[Diagnosis]) -> TextTable:
    """One row a diagnosis: layer, shape, gamma, alpha with its standard error, ..., verdict."""
    shown = columns(diagnoses)
    rows = [[column.text(diagnosis) for column in shown] for diagnosis in diagnoses]
    words = [place for place, column in enumerate(shown) if not column.numeric]
    return TextTable.of([column.heading for column in shown], rows, words)


_DIAGNOSES = several("a list of diagnoses", "source", "numbers")


@checked(diagnoses=_DIAGNOSES)
def diagnosis_table(diagnoses: Sequence[Diagnosis], *, title: str | None = None) -> Table:
    """`cells_of` as a rich table."""
    return cells_of(diagnoses).drawn(title)


@checked(diagnoses=_DIAGNOSES)
def markdown_table(diagnoses: Sequence[Diagnosis]) -> str:
    """The same table in Markdown; what a layer's name holds is no markup."""
    table = cells_of(diagnoses)
    rows = [[markdown_text(cell) if i in table.left else cell for i, cell in enumerate(row)] for row in table.rows]
    return TextTable.of(table.headings, rows, table.left).markdown()


def narrow_table(diagnoses: Sequence[Diagnosis], width: int, title: str = "") -> tuple[Table, list[str]]:
    """A row a diagnosis in at most ``width`` characters, and the headings of the columns that did not fit.

    Long names keep their end. Columns without a value in any row are left out unsaid.
    """
    table, left_out = cells_of(diagnoses).narrowed(width, FIRST)
    return table.drawn(title, compact=True), left_out


@checked(diagnoses=_DIAGNOSES)
def plain_table(diagnoses: Sequence[Diagnosis]) -> str:
    """The same table in fixed-width text."""
    return cells_of(diagnoses).plain()
