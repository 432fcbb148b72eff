"""python scripts/numbers_table.py: write the list in docs/numbers.md again from htmu_diag.analysis.QUANTITIES."""

from __future__ import annotations

import math
from pathlib import Path

from htmu_diag.analysis import QUANTITIES

PAGE = Path(__file__).parents[1] / "docs" / "numbers.md"
BEGIN, END = "<!-- quantities: begin -->", "<!-- quantities: end -->"


def quantities_table() -> str:
    """The table in Markdown: the name in tags, its symbol, its range, what it means."""
    rows = [(f"`{q.name}`", f"{q.symbol}", _range(q.low, q.high), q.meaning) for q in QUANTITIES.values()]
    lines = [("name", "symbol", "range", "meaning"), ("---",) * 4, *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def with_table(page: str) -> str:
    """The page with its list replaced."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{quantities_table()}\n{END}{rest.partition(END)[2]}"


def _range(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "any"
    return f"{low:g} to {high:g}" if math.isfinite(high) else f"from {low:g}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
