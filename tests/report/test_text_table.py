"""One table of text says the same in every form."""

from io import StringIO

import pytest
from rich.console import Console

from htmu_diag.analysis.words import NO_VALUE
from htmu_diag.report.text_table import TextTable

TABLE = TextTable.of(
    ["layer", "alpha", "empty", "verdict"],
    [["encoder.block.0.fc1.weight", "2.5", NO_VALUE, "heavy-tailed"], ["fc2", "11", NO_VALUE, "[red]:smile:"]],
    left=(0, 3),
)


def drawn(table: TextTable, width: int = 100, **choices: bool) -> list[str]:
    console = Console(file=StringIO(), width=width)
    console.print(table.drawn("a title", **choices))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined, no-any-return]


def test_every_form_has_every_cell_as_it_is() -> None:
    forms = [TABLE.plain(), TABLE.markdown(), TABLE.markdown(padded=True), "\n".join(drawn(TABLE))]
    cells = [*TABLE.headings, *(cell for row in TABLE.rows for cell in row)]
    assert [[cell for cell in cells if cell not in form] for form in forms] == [[], [], [], []]


def test_numbers_stand_below_each_other() -> None:
    lines = TABLE.plain().splitlines()
    ends = {line.index(cell) + len(cell) for line, cell in zip(lines, ["alpha", "2.5", "11"], strict=True)}
    assert len(ends) == 1
    assert TABLE.markdown().splitlines()[1] == "| --- | ---: | ---: | --- |"


@pytest.mark.parametrize("width", [32, 45, 60, 100])
def test_a_narrowed_table_fits_and_names_what_it_leaves_out(width: int) -> None:
    table, left_out = TABLE.narrowed(width, first=("verdict",))
    assert max(map(len, drawn(table, width, compact=True))) <= width
    assert {*table.headings, *left_out} == {"layer", "alpha", "verdict"}  # what has no value is left out unsaid
    assert table.headings == tuple(name for name in TABLE.headings if name in table.headings)
    assert width > 32 or left_out


def test_tables_that_were_split_have_each_column_once_beside_the_fixed_one() -> None:
    tables = list(TABLE.split(45, fixed=("layer",)))
    assert len(tables) > 1
    assert [name for table in tables for name in table.headings[1:]] == list(TABLE.headings[1:])
    assert {table.headings[0] for table in tables} == {"layer"}
    assert [row[1:] for row in tables[-1].rows] == [row[-len(tables[-1].headings) + 1 :] for row in TABLE.rows]


def test_a_table_without_rows_has_its_headings() -> None:
    empty = TextTable.of(["layer", "alpha"], [], left=(0,))
    assert empty.plain() == "layer  alpha"
    assert empty.narrowed(80)[0].headings == ("layer",)
    assert len(drawn(empty)) > 1
