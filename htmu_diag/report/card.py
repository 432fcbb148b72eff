"""One spectrum as a small picture: readable where TensorBoard shows it, 350 pixels wide. No legend: words in colour."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from htmu_diag.analysis import Diagnosis
from htmu_diag.analysis.words import kappa_words, number
from htmu_diag.report.labels import INK, set_scale, shortened
from htmu_diag.report.panel import BARS, EDGE, LAW, TAIL, draw_fits, frame, log_histogram, positive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CARD_DPI", "card"]

CARD_DPI = 100
_SIZE = (3.5, 2.7)  # inches: 350 x 270 pixels
_LONGEST = 34  # characters of a name across the card


def card(diagnosis: Diagnosis) -> Figure:
    """The log-log density with its fits, the layer and the verdict above it, alpha and kappa as words inside."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=CARD_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.17, 0.13, 0.8, 0.68))
    step = "" if diagnosis.source.step is None else f", step {diagnosis.source.step}"
    name = shortened(diagnosis.source.name, _LONGEST)
    axes.set_title(f"{name}\n{diagnosis.verdict}{step}", fontsize=9.5, color=INK, loc="left", parse_math=False)
    _draw(axes, diagnosis)
    return figure


def _draw(axes: Any, diagnosis: Diagnosis) -> None:
    values, masses = positive(diagnosis)
    if not values.size:
        axes.text(0.5, 0.5, "no positive eigenvalue", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    edges, density = log_histogram(values, masses)
    axes.stairs(density, edges, fill=True, color=BARS)
    frame(axes, edges, density)
    set_scale(axes.xaxis, *axes.get_xlim())
    set_scale(axes.yaxis, *axes.get_ylim())
    draw_fits(axes, diagnosis, edges, float(masses.sum()))
    for place, (words, colour) in enumerate(_words(diagnosis)):
        where = (0.97, 0.95 - 0.13 * place)
        axes.text(*where, words, color=colour, fontsize=9, ha="right", va="top", transform=axes.transAxes)
    axes.tick_params(labelsize=8.5, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)


def _words(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    tail, htmp, bulk = diagnosis.tail, diagnosis.htmp, diagnosis.bulk
    words = []
    if math.isfinite(tail.alpha):
        out = " (ruled out)" if tail.status.code == "not_a_power_law" else ""
        words.append((f"alpha {number(tail.alpha)}{out}", TAIL))
    if htmp is not None and htmp.law is not None:
        words.append((f"kappa {kappa_words(htmp)}", LAW if htmp.reading.stands else EDGE))
    if bulk is not None and bulk.status.ok and bulk.n_spikes:
        words.append((f"{bulk.n_spikes} spike{'s' * (bulk.n_spikes > 1)}", EDGE))
    return words
