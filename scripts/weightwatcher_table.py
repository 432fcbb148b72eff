"""python scripts/weightwatcher_table.py: write the table in docs/analyze.md anew from the columns in the code."""

from __future__ import annotations

from pathlib import Path

from htmu_diag.report.weightwatcher import WEIGHTWATCHER

PAGE = Path(__file__).parents[1] / "docs" / "analyze.md"
BEGIN, END = "<!-- weightwatcher: begin -->", "<!-- weightwatcher: end -->"


def columns_table() -> str:
    """The table in Markdown: their column, the same in our terms."""
    lines = ["| weightwatcher | htmu_diag |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| `{column.name}` | {column.ours} |" for column in WEIGHTWATCHER.values())])


def with_table(page: str) -> str:
    """The page with its table replaced."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{columns_table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
