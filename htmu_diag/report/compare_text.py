"""A comparison of runs as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from htmu_diag.analysis.words import NO_VALUE, brief_number, number
from htmu_diag.report.comparison import Comparison, Drift
from htmu_diag.report.overview import shortest
from htmu_diag.report.text_table import TextTable

__all__ = ["compare_text"]

_NAME = 40  # characters of a layer's name
_NAMED = 6  # layers in one line


def compare_text(found: Comparison) -> str:
    """Settings, averages, layers that differ, and one line that sums up."""
    one, two = found.runs
    how = "" if found.aligned == "step" else f" (equal {found.aligned})"
    which = f"A  {one}: step {found.steps[0]}\nB  {two}: step {found.steps[1]}{how}"
    different = [layer for layer in found.layers if layer.differs]
    judged = "in their verdict, or with 95 % intervals that are apart"
    same = len(found.layers) - len(different)
    none = "no layer is in both runs: they have no common names"
    summary = (
        none if not found.layers else f"{len(different)} of {len(found.layers)} layers differ ({judged}); {same} agree"
    )
    parts = [which, _settings(found), _averages(found), _layers(different), _shapes(found), _only(found), summary]
    return "\n\n".join(part for part in parts if part)


def _settings(found: Comparison) -> str:
    if not found.settings:
        return "settings: none that differ"
    rows = [[key, str(a), str(b)] for key, (a, b) in found.settings.items()]
    return _table(["settings that differ", "A", "B"], rows)


def _averages(found: Comparison) -> str:
    rows = [[name, *_average(name, a, b)] for name, (a, b) in found.averages.items()]
    return _table(["averages over layers", "A", "B", "B - A"], rows)


def _average(name: str, a: float, b: float) -> tuple[str, str, str]:
    """Both and their difference, which a kappa of noise has none of."""
    of = name.split("_", 1)[1] if name.startswith("weights_") else name
    shown = brief_number(of, a), brief_number(of, b)
    return (*shown, NO_VALUE if "noise" in shown else number(b - a))


def _layers(drifts: Sequence[Drift]) -> str:
    if not drifts:
        return ""
    names = shortest([drift.layer for drift in drifts], _NAME)
    rows = []
    for name, drift in zip(names, drifts, strict=True):
        numbers = [_pair(drift, quantity) for quantity in drift.numbers]
        verdict = drift.verdicts[0] if drift.verdicts[0] == drift.verdicts[1] else " -> ".join(drift.verdicts)
        rows.append([name, *numbers, verdict])
    return _table(["layers that differ (A -> B)", *drifts[0].numbers, "verdict"], rows)


def _pair(drift: Drift, quantity: str) -> str:
    """Both numbers; a star where their intervals do not meet."""
    a, b = drift.numbers[quantity]
    return f"{brief_number(quantity, a)} -> {brief_number(quantity, b)}{' *' if quantity in drift.apart else ''}"


def _shapes(found: Comparison) -> str:
    """Layers of one name and two shapes: their numbers stand side by side, and are of different matrices."""
    unlike = [drift for drift in found.layers if drift.shapes[0] != drift.shapes[1]]
    if not unlike:
        return ""
    said = [f"{drift.layer} {' -> '.join(f'{rows} x {columns}' for rows, columns in drift.shapes)}" for drift in unlike]
    named = ", ".join(said[:_NAMED]) + " ..." * (len(said) > _NAMED)
    return f"of another shape in B, where noise has other values: {named}"


def _only(found: Comparison) -> str:
    named = {
        run: ", ".join(names[:_NAMED]) + " ..." * (len(names) > _NAMED) for run, names in found.only.items() if names
    }
    return "\n".join(f"only in {run}: {names}" for run, names in named.items())


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return TextTable.of(heads, rows, left=range(len(heads))).plain()
