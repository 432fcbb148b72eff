"""One spectrum as a small picture: readable where TensorBoard shows it, 350 pixels wide. No legend: words in colour.

One panel is kept for all pictures: most of the time of a picture is the making and measuring of its ticks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from htmu_diag.analysis import Diagnosis
from htmu_diag.analysis.words import kappa_words, number
from htmu_diag.report.figures import png
from htmu_diag.report.labels import INK, set_scale, shortened
from htmu_diag.report.panel import BARS, EDGE, LAW, TAIL, draw_fits, limits, log_histogram, positive

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CARD_PIXELS", "Cards"]

CARD_PIXELS = (350, 270)
_DPI = 100
_LONGEST = 34  # characters of a name across the card


class Cards:
    """Draws cards, one after another; for one thread at a time."""

    def __init__(self) -> None:
        from matplotlib.figure import Figure

        from htmu_diag.report.canvas import Canvas

        self.figure: Figure = Figure(
            figsize=(CARD_PIXELS[0] / _DPI, CARD_PIXELS[1] / _DPI), dpi=_DPI, facecolor="white"
        )
        Canvas(self.figure)
        self.axes = axes = self.figure.add_axes((0.17, 0.13, 0.8, 0.68))
        axes.set(xscale="log", yscale="log")
        axes.tick_params(labelsize=8.5, colors=INK)
        axes.spines[["top", "right"]].set_visible(False)

    def png(self, diagnosis: Diagnosis) -> bytes:
        """The card as PNG bytes, CARD_PIXELS wide and high."""
        self.draw(diagnosis)
        return png(self.figure, dpi=_DPI)

    def draw(self, diagnosis: Diagnosis) -> None:
        """The log-log density with its fits, the layer and the verdict above it, alpha and kappa as words inside."""
        axes = self.axes
        for artist in (*axes.lines, *axes.patches, *axes.texts):
            artist.remove()
        axes.set_axis_on()
        step = "" if diagnosis.source.step is None else f", step {diagnosis.source.step}"
        name = shortened(diagnosis.source.name, _LONGEST)
        axes.set_title(
            f"{name}\n{diagnosis.verdict}{step}", fontsize=9.5, color=INK, loc="left", y=1.0, parse_math=False
        )
        self._draw_spectrum(diagnosis)

    def _draw_spectrum(self, diagnosis: Diagnosis) -> None:
        axes = self.axes
        values, masses = positive(diagnosis)
        if not values.size:
            axes.text(0.5, 0.5, "no positive eigenvalue", ha="center", va="center", transform=axes.transAxes)
            axes.set_axis_off()
            return
        edges, density = log_histogram(values, masses)
        across, up = limits(edges, density)
        axes.set(xlim=across, ylim=up)
        set_scale(axes.xaxis, *across, most=5)
        set_scale(axes.yaxis, *up, most=5)
        axes.stairs(density, edges, fill=True, color=BARS)
        draw_fits(axes, diagnosis, edges, float(masses.sum()))
        for place, (words, colour) in enumerate(_words(diagnosis)):
            where = (0.97, 0.95 - 0.13 * place)
            axes.text(*where, words, color=colour, fontsize=9, ha="right", va="top", transform=axes.transAxes)


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
