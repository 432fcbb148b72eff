"""Titles, scales and legends of a panel."""

from __future__ import annotations

import math
from typing import Any

from htmu_diag.analysis import Diagnosis
from htmu_diag.fits import TailFit
from htmu_diag.report.cells import number
from htmu_diag.report.legend import draw_legend

__all__ = ["INK", "add_legend", "set_scale", "shortened", "title"]

INK = "#30363d"  # of text
_KNOWN = 0x530  # matplotlib's own font covers Latin, Greek and Cyrillic, which end here
_LONGEST = 60  # characters of a layer's name in a title
_LABEL_BELOW, _LABEL_LEFT, _LEGEND_BELOW = 0.27, 0.53, 0.53  # inches from the panel: top, right side, baseline


def title(diagnosis: Diagnosis) -> str:
    """Two lines: the layer's name; shape, step and verdict."""
    source = diagnosis.source
    kind = "" if source.kind.value == "weights" else f" ({source.kind.value.replace('_', ' ')})"
    step = "" if source.step is None else f", step {source.step}"
    return f"{shortened(source.name)}{kind}\n{' x '.join(map(str, source.shape))}{step}: {diagnosis.verdict}"


def shortened(name: str, longest: int = _LONGEST) -> str:
    """The start and the end of a long name (layers often differ at their end), in characters that the font has."""
    name = "".join(c if c.isprintable() and ord(c) < _KNOWN else "\u25a1" for c in name)
    return name if len(name) <= longest else f"{name[: longest // 3]}...{name[-2 * longest // 3 :]}"


def set_scale(axis: Any, low: float, high: float, most: int = 8) -> None:
    """Plain labels: up to five at equal steps within a decade, at 1 and 3 within two, at powers of ten beyond.

    most: ticks where there are many decades. No smaller ticks: they would take half of the time of a picture.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

    decades = math.log10(high / low)
    marks = (1.0, 3.0) if decades < 2 else (1.0,)
    locator = MaxNLocator(5, steps=[1, 2, 5, 10]) if decades < 1 else LogLocator(subs=marks, numticks=most)
    axis.set_major_locator(FixedLocator([x for x in locator.tick_values(low, high) if low <= x <= high]))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_locator(NullLocator())


def add_legend(axes: Any, diagnosis: Diagnosis, columns: int) -> None:
    """Name the axes, and everything that is drawn in a legend below them."""
    axes.set_xlabel("eigenvalue", fontsize=9, color=INK)
    axes.set_ylabel("density", fontsize=9, color=INK)
    if math.isfinite(diagnosis.tail.alpha):
        axes.plot([], [], " ", label=_tail_note(diagnosis.tail))
    across, up = axes.get_position().size * axes.figure.get_size_inches()
    # fixed places in inches: matplotlib would measure all tick labels to find them, twice for each picture
    axes.xaxis.set_label_coords(0.5, -_LABEL_BELOW / up)
    axes.yaxis.set_label_coords(-_LABEL_LEFT / across, 0.5)
    draw_legend(axes, _LEGEND_BELOW, columns)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def _tail_note(tail: TailFit) -> str:
    p_value = f", p {number(tail.p_value)}" if math.isfinite(tail.p_value) else ""
    return f"tail of {tail.n_tail} from {number(tail.xmin)}, KS {number(tail.ks_distance)}{p_value}"
