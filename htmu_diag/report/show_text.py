"""An overview as text for a terminal of any width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from htmu_diag.analysis.words import NO_VALUE, brief_number, number
from htmu_diag.report.overview import ABSENT, Overview, held, shortest
from htmu_diag.report.text_table import TextTable
from htmu_diag.theory.phases import NOT_CLASSIFIED

__all__ = ["show_text"]

_COLUMNS = ("alpha", "tail", "kappa", "spikes", "stable_rank")  # "tail": what is said of the power law
_FIRST = ("verdict", "alpha", "kappa", "spikes", "tail")  # where there is no room for all
_NAME = 34  # characters of a layer's name
_LINES = 12  # of changes


def show_text(shown: Overview, width: int = 100, *, fitted: bool = False) -> str:
    """The table with reasons, the phases through time, what changed, what is wrong.

    fitted: leave columns of the table out, and name them, where its rows would be wider than ``width``.
    """
    steps = [step for step in shown.steps if step not in shown.lost]
    count = f"{len(steps)} measured step" + "s" * (len(steps) != 1)
    span = f"{count}, {steps[0]} to {steps[-1]}" if len(steps) > 1 else count
    losses = "  ".join(f"{tag} {value:.4g}" for tag, value in shown.scalars.items())
    parts = ["\n".join(line for line in (f"{shown.run}: step {shown.step} ({span})", losses) if line)]
    parts += [_table(shown.rows, width, fitted), _reasons(shown.rows)]
    if shown.ribbon:
        parts.append(_ribbons(shown, width))
    parts += [_list("changed", shown.changes), _list("alarms", shown.alarms)]
    if shown.others:
        parts.append(f"also measured: {', '.join(shown.others)} (--kind)")
    if shown.waiting:
        span = f"{shown.waiting[0]} to {shown.waiting[-1]}" if len(shown.waiting) > 1 else f"step {shown.waiting[0]}"
        look = f"--step {shown.waiting[-1]} diagnoses that one"
        parts.append(f"steps whose spectra have no numbers yet: {len(shown.waiting)} ({span}); {look}")
    return "\n\n".join(part for part in parts if part)


def _table(rows: Sequence[Mapping[str, Any]], width: int, fitted: bool) -> str:
    if not rows:
        return ""
    heads = ["layer", "shape", *_COLUMNS, "verdict"]
    names = shortest([str(row["name"]) for row in rows], min(_NAME, width // 3))
    cells = [
        [name, f"{row['rows']} x {row['columns']}", *_numbers(row), str(row["verdict"])]
        for name, row in zip(names, rows, strict=True)
    ]
    table = TextTable.of(heads, cells, left=(0, len(heads) - 1))
    if not fitted or table.plain_width <= width:
        return table.plain()
    narrow, hidden = table.narrowed(width, _FIRST)
    return f"{narrow.plain()}\n(no room for {', '.join(hidden)}: a wider terminal, or --json)"


def _reasons(rows: Sequence[Mapping[str, Any]]) -> str:
    said = [f"  {row['name']}: {row['verdict']}: {_reason(row)}" for row in rows if _reason(row)]
    return "\n".join(["why:", *said]) if said else ""


def _reason(row: Mapping[str, Any]) -> str:
    """Why the verdict is so: that of the tail where a spectrum has no phases."""
    said = str(row.get("reason") or "")
    return str(row.get("tail_reason") or "") if said == NOT_CLASSIFIED.reason else said


def _numbers(row: Mapping[str, Any]) -> list[str]:
    return [_alpha(row) if name == "alpha" else _value(row, name) for name in _COLUMNS]


def _alpha(row: Mapping[str, Any]) -> str:
    low, high = (row.get(f"alpha_{end}", math.nan) for end in ("low", "high"))
    interval = f" [{number(low)}, {number(high)}]" if math.isfinite(low) else ""
    return f"{_value(row, 'alpha')}{interval}"


def _value(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name, math.nan)
    if name == "kappa" and row.get("htmp") in ("noise", "does not describe"):
        large = row["htmp"] == "noise" or brief_number(name, value) == "noise"
        text = f"noise (>= {min(row.get('rows', 0), row.get('columns', 0))})" if large else number(value)
        return text if row["htmp"] == "noise" else f"{text}, does not describe"
    return number(value) if isinstance(value, float) else str(value or NO_VALUE)


def _ribbons(shown: Overview, width: int) -> str:
    names = shortest(list(shown.ribbon), min(_NAME, width // 3))
    across = max(map(len, names))
    room = max(width - across - 2, 20)
    every = max(1, math.ceil(len(shown.steps) / room))
    letters = {**shown.letters, **({ABSENT: "not measured"} if any(ABSENT in r for r in shown.ribbon.values()) else {})}
    legend = ", ".join(f"{letter} {phase}" for letter, phase in letters.items())
    each = "a letter a step" if every == 1 else f"a letter every {every} steps"
    lines = [f"phases, steps {shown.steps[0]} to {shown.steps[-1]}, {each} ({legend})"]
    for name, ribbon in zip(names, shown.ribbon.values(), strict=True):
        lines.append(f"{name.ljust(across)}  {held(ribbon)[::every]}")
    late = sum(held(ribbon)[-1] != ribbon[-1] for ribbon in shown.ribbon.values())
    if late:
        lines.append(f"a letter changes once the new one came twice in a row; the last verdict of {late} came once")
    return "\n".join(lines)


def _list(title: str, sentences: Sequence[str]) -> str:
    if not sentences:
        return ""
    more = [f"... and {len(sentences) - _LINES} more"] if len(sentences) > _LINES else []
    return "\n".join([f"{title}:", *(f"  {sentence}" for sentence in [*sentences[:_LINES], *more])])
