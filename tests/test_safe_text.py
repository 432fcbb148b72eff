"""Whatever a name holds, what is shown is one line of characters that do nothing."""

import csv
import html
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from htmu_diag.safe_text import LONGEST, csv_cell, html_text, markdown_text, one_line, safe_text

EVERYTHING = st.text(st.characters(exclude_categories=()), max_size=300)  # surrogates and control characters included


@given(EVERYTHING)
def test_nothing_shown_acts_on_a_terminal_or_cannot_be_written(text: str) -> None:
    for shown in (safe_text(text), one_line(text), markdown_text(text), html_text(text), str(csv_cell(text))):
        shown.encode()
        assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    "act", ["\x1b]0;title\x07", "\x1b[2J", "\x9b2J", "\u202eevil", "\u2066", "a\nb", "a\rb", "\u2028", "\ud800", "\x7f"]
)
def test_known_attacks_are_shown_as_their_escapes(act: str) -> None:
    assert "\\" in safe_text(f"fc1{act}.weight")


def test_a_name_in_any_script_stays_as_it_is() -> None:
    for name in ("blocks.0.attn.q_proj.weight", "слой.1", "層.重み", "größe", "λ_max"):
        assert safe_text(name) == one_line(name) == csv_cell(name) == name
        assert html_text(name) == markdown_text(name) == name


def test_a_name_of_ten_thousand_characters_keeps_its_ends() -> None:
    shown = safe_text("a" * 5000 + "b" * 5000)
    assert len(shown) <= LONGEST + 3
    assert (shown[0], shown[-1]) == ("a", "b")


@given(EVERYTHING)
def test_no_cell_of_csv_is_a_formula_and_numbers_stay_numbers(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([csv_cell(text), csv_cell(-1.5)])
    ((cell, number),) = csv.reader(io.StringIO(out.getvalue()))
    assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    assert number == "-1.5"


@given(EVERYTHING)
def test_html_reads_back_as_the_text_shown(text: str) -> None:
    shown = html_text(text)
    assert not set(shown) & set("<>\"'")
    assert html.unescape(shown) == safe_text(text)


@pytest.mark.parametrize("markup", ["![x](http://y)", "[x](javascript:1)", "<b>", "a|b", "**b**", "`c`", "_i_", "&lt;"])
def test_markup_in_a_name_is_escaped(markup: str) -> None:
    from markdown_it import MarkdownIt

    rendered = MarkdownIt("commonmark").renderInline(markdown_text(markup))
    assert html.unescape(rendered) == markup
