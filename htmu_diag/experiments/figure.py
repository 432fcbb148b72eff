"""Figures of a sweep's page, from their description in the YAML file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from htmu_diag.experiments.plan import Sweep
from htmu_diag.experiments.rows import Row, mean_of, settings
from htmu_diag.experiments.wanted import check_figure

__all__ = ["draw"]

_MARKERS = "os^Dv*P<>"


def draw(figure: Mapping[str, Any], rows: Sequence[Row], sweep: Sweep) -> Figure:
    """One figure. Raises ConfigError for a description with neither x and y nor curves, or with unknown keys."""
    check_figure(figure)
    drawn = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = drawn.add_subplot()
    wanted = [str(name) for name in figure.get("arms", [arm.name for arm in sweep.arms])]
    chosen = [row for row in rows if row.arm in wanted]
    if "curves" in figure:
        _curves(axes, figure, chosen)
    else:
        _points(axes, figure, chosen, wanted)
    _finish(axes, figure)
    return drawn


def _points(axes: Axes, figure: Mapping[str, Any], rows: Sequence[Row], arms: Sequence[str]) -> None:
    key = str(figure["x"])
    names = list(dict.fromkeys(str(row.values.get(key)) for row in rows if math.isnan(row.number(key))))
    series = [(arm, str(tag)) for tag in figure["y"] for arm in arms]
    for place, (arm, tag) in enumerate(series):
        points = sorted(_means([row for row in rows if row.arm == arm], key, tag, names))
        if points:
            at, y, below, above = zip(*points, strict=True)
            label = " ".join(part for part in (arm, tag) if part)
            marker = _MARKERS[place % len(_MARKERS)]
            axes.errorbar(at, y, yerr=(below, above), marker=marker, capsize=3, label=label, alpha=0.85)
    if names:
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    if figure.get("diagonal"):
        low, high = axes.get_xlim()
        axes.plot([low, high], [low, high], color="grey", linewidth=0.8)
    axes.set_xlabel(key)


def _means(
    rows: Sequence[Row], key: str, tag: str, names: Sequence[str]
) -> Iterator[tuple[float, float, float, float]]:
    """(x, mean, below, above) of every setting of the key; a word's x is its place."""
    by_setting = (
        settings(rows, (key,)) if any(key in row.values for row in rows) else {(row.unit,): [row] for row in rows}
    )
    for (value, *_), group in by_setting.items():
        mean = mean_of(group, tag)
        x = float(names.index(str(value))) if str(value) in names else mean_of(group, key).value
        if mean.n and math.isfinite(x):
            known = math.isfinite(mean.low)
            yield x, mean.value, mean.value - mean.low if known else 0.0, mean.high - mean.value if known else 0.0


def _curves(axes: Axes, figure: Mapping[str, Any], rows: Sequence[Row]) -> None:
    styles = ("-", "--", ":", "-.")
    colours = {name: f"C{place % 10}" for place, name in enumerate(dict.fromkeys(row.arm for row in rows))}
    labelled: set[tuple[str, str]] = set()
    for row in rows:
        for place, tag in enumerate(map(str, figure["curves"])):
            points = [(s, v) for s, v in row.curves.get(tag, []) if "x" not in str(figure.get("log", "")) or s > 0]
            if points:
                fresh = (row.arm, tag) not in labelled
                labelled.add((row.arm, tag))
                label = " ".join(part for part in (row.arm, tag) if part) if fresh else None
                colour = colours[row.arm] if len(colours) > 1 else f"C{place}"
                axes.plot(*zip(*points, strict=True), styles[place % 4], color=colour, label=label, alpha=0.7)
    axes.set_xlabel(str(figure.get("label", "step")))


def _finish(axes: Axes, figure: Mapping[str, Any]) -> None:
    log = str(figure.get("log", ""))
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    axes.set_title(str(figure.get("title", "")), fontsize=10)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
