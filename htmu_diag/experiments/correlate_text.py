"""Correlations as tables of text: on a terminal, and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from htmu_diag.experiments.correlate import Correlations
from htmu_diag.fits.rank_correlation import RankCorrelation
from htmu_diag.report.text_table import TextTable

__all__ = ["as_text"]

LEVEL = 0.05


def as_text(found: Correlations) -> str:
    """Over runs with baselines first, within runs, then the taus of each setting; and what to conclude."""
    parts = [f"Kendall's tau with {found.target}, over {found.runs} runs (95 % by bootstrap; p by permutation)"]
    parts.append(_over(found))
    if found.within:
        parts += ["within runs (pairs of steps of one run)", _taus({"within": found.within}, found)]
    if found.factors:
        parts += ["pairs of runs that differ in one setting only", _taus(found.factors, found)]
    return "\n\n".join([*parts, _conclusion(found)]) + "\n"


def _over(found: Correlations) -> str:
    given = f"partial tau given {', '.join(found.controls)}" if found.controls else "partial tau"
    rows = [["metric", "tau", "95 %", "p", "p corrected", given, "95 %", "runs"]]
    for one in _ordered(found.over, found):
        mark = " (baseline)" if one.metric in found.baselines else ""
        held = one.metric in found.controls
        partial = "is one" if held else _number(one.partial)
        between = "" if held else _between(one.partial_low, one.partial_high)
        rows.append(
            [
                f"{one.metric}{mark}",
                _number(one.tau),
                _between(one.low, one.high),
                _p(one.p),
                _p(one.p_corrected),
                partial,
                between,
                str(one.n),
            ]
        )
    return _table(rows)


def _taus(columns: Mapping[str, tuple[RankCorrelation, ...]], found: Correlations) -> str:
    names = list(dict.fromkeys(one.metric for column in columns.values() for one in column))
    ordered = [one.metric for one in _ordered(found.over, found) if one.metric in names]
    rows = [["metric", *columns]]
    for name in ordered:
        cells = [next((one for one in column if one.metric == name), None) for column in columns.values()]
        rows.append([name, *("-" if cell is None else _starred(cell) for cell in cells)])
    return _table(rows) + "\n* p corrected for the number of metrics at most 0.05"


def _ordered(rows: Sequence[RankCorrelation], found: Correlations) -> list[RankCorrelation]:
    """Baselines first, then by |tau|; what has none last."""
    return sorted(rows, key=lambda one: (one.metric not in found.baselines, -abs(one.tau) if one.tau == one.tau else 9))


def _conclusion(found: Correlations) -> str:
    metrics = [one for one in found.over if one.metric not in found.baselines and math.isfinite(one.tau)]
    known = [abs(one.tau) for one in found.over if one.metric in found.baselines and one.tau == one.tau]
    base = max(known, default=0.0)
    passing = [one for one in metrics if one.p_corrected <= LEVEL]
    better = [one.metric for one in passing if abs(one.tau) > base]
    beyond = [one.metric for one in passing if one.partial_low > 0 or one.partial_high < 0]
    turned = sorted(
        {
            f"{one.metric} ({key})"
            for key, column in found.factors.items()
            for one in column
            for whole in found.over
            if whole.metric == one.metric
            and one.metric not in found.baselines
            and one.p_corrected <= LEVEL
            and (whole.tau * one.tau < 0 or abs(one.tau) > 3 * abs(whole.tau))
        }
    )
    lines = [
        f"{len(passing)} of {len(metrics)} metrics go with {found.target} beyond chance",
        f"{len(better)} of them closer than the best baseline (|tau| {base:.2f})" if known else "no baseline is known",
        f"{len(beyond)} still do given the controls: {', '.join(beyond[:4]) or 'none'}"
        if found.controls
        else "no control is known",
    ]
    if turned:
        some = ", ".join(turned[:4]) + (f" and {len(turned) - 4} more" if len(turned) > 4 else "")
        lines.append(
            f"Simpson's paradox: with one setting varied alone, these say something else than over all: {some}"
        )
    return "; ".join(lines[:3]) + "." + "".join(f"\n{line}." for line in lines[3:])


def _starred(one: RankCorrelation) -> str:
    return _number(one.tau) + ("*" if one.p_corrected <= LEVEL else "")


def _number(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:+.2f}"


def _between(low: float, high: float) -> str:
    return "" if not math.isfinite(low) else f"[{low:+.2f}, {high:+.2f}]"


def _p(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.2g}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    return TextTable.of(rows[0], rows[1:], left=range(len(rows[0]))).markdown(padded=True)
