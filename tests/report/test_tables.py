"""The table shows every quantity that has a heading, one row a diagnosis."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from htmu_diag.analysis import QUANTITIES, Diagnosis
from htmu_diag.report import diagnosis_table, markdown_table, narrow_table, plain_table
from htmu_diag.safe_text import markdown_text
from htmu_diag.spectrum import Kind

Of = Callable[..., Diagnosis]


def rendered(table: object) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(table)
    return out.getvalue()


def test_headings_are_those_of_the_quantities(heavy: Diagnosis) -> None:
    headings = [str(column.header) for column in diagnosis_table([heavy]).columns]
    named = [q.heading for q in QUANTITIES.values() if q.heading]
    named.insert(named.index("p") + 1, "tail")
    assert headings == ["layer", "shape", *[f"{h} +- stderr" if h == "alpha" else h for h in named]]
    assert {"gamma", "xmin", "n_tail", "KS", "p", "kappa", "predicted", "spikes", "verdict"} <= set(headings)


def test_cells_hold_the_numbers_of_the_diagnosis(heavy: Diagnosis) -> None:
    text = plain_table([heavy])
    heading, row = text.splitlines()
    assert heading.startswith("layer")
    assert f"{heavy.tail.alpha:.2f} +- {heavy.tail.alpha_stderr:.2f}" in row
    assert f" {heavy.tail.n_tail} " in row
    assert row.endswith(heavy.verdict)


def test_a_ruled_out_tail_says_why(noise: Diagnosis) -> None:
    assert noise.tail.verdict.word == "ruled out"
    assert f"ruled out ({noise.tail.verdict.cause})" in plain_table([noise])
    assert noise.row()["tail_reason"] == noise.tail.status.message != ""


def test_what_has_no_value_is_a_dash(of: Of) -> None:
    row = plain_table([of([1.0, 2.0])]).splitlines()[1]
    assert "nan" not in row
    assert " - " in row


def test_there_is_a_column_of_kinds_only_where_there_are_several(heavy: Diagnosis, of: Of) -> None:
    kernel = of([1.0, 2.0, 3.0], "model", Kind.NTK)
    assert "kind" not in plain_table([heavy]).splitlines()[0]
    mixed = plain_table([heavy, kernel])
    assert "kind" in mixed.splitlines()[0]
    assert "ntk" in mixed


@pytest.mark.parametrize("name", ["[bold]fc[/bold]", "größe/日本", "a|b"])
def test_layer_names_are_shown_as_they_are(name: str, of: Of) -> None:
    one = of([1.0, 2.0, 3.0], name)
    assert name in rendered(diagnosis_table([one]))
    assert name in plain_table([one])
    assert markdown_text(name) in markdown_table([one])


def test_markdown_has_as_many_cells_in_every_row(heavy: Diagnosis, noise: Diagnosis) -> None:
    rows = markdown_table([heavy, noise]).splitlines()
    assert len(rows) == 4
    assert len({row.count("|") for row in rows}) == 1


def test_no_diagnoses_make_a_table_of_headings() -> None:
    assert plain_table([]).startswith("layer")
    assert "verdict" in rendered(diagnosis_table([], title="step 0"))
    assert len(markdown_table([]).splitlines()) == 2


@pytest.mark.parametrize("width", [40, 60, 100])
def test_rows_of_several_kinds_are_told_apart_at_any_width(of: Of, width: int) -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    text = rendered(narrow_table([of(values), of(values, kind=Kind.NTK)], width)[0])
    assert {"kind", "weights", "ntk"} <= set(text.split())
