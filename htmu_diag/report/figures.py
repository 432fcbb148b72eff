"""Figures of spectra: the log-log density of each layer with everything that was fitted to it.

Figures are drawn with matplotlib's object interface on the Agg canvas: no window, no global state, any thread.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from htmu_diag.analysis import Diagnosis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["esd_figure", "png"]

_PANEL = (4.6, 3.4)  # inches, one of many; a single panel is larger
_SINGLE = (7.2, 4.8)


def esd_figure(diagnoses: Diagnosis | Sequence[Diagnosis], *, title: str = "", columns: int = 3) -> Figure:
    """The eigenvalue density of one layer, or of several side by side, as a matplotlib Figure.

    Each panel: histogram in logarithmic bins, fitted power law from xmin on, fitted HTMP law, edge of the
    Marchenko-Pastur bulk, spikes beyond it. columns: panels in a row, at most.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from htmu_diag.report.panel import draw_esd

    shown = [diagnoses] if isinstance(diagnoses, Diagnosis) else list(diagnoses)
    width = max(1, min(columns, len(shown)))
    height = max(1, math.ceil(len(shown) / width))
    size = _SINGLE if len(shown) <= 1 else (_PANEL[0] * width, _PANEL[1] * height + 0.5)
    figure = Figure(figsize=size, layout="constrained" if len(shown) > 1 else None, facecolor="white")
    if len(shown) <= 1:  # fixed margins take half the time of a solved layout
        figure.subplots_adjust(left=0.1, right=0.97, bottom=0.11, top=0.83 if title else 0.89)
    FigureCanvasAgg(figure)
    panels = figure.subplots(height, width, squeeze=False).ravel()
    for panel, diagnosis in zip(panels, shown, strict=False):
        draw_esd(panel, diagnosis)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=12, parse_math=False)
    return figure


def png(figure: Figure, *, dpi: int = 100) -> bytes:
    """The figure as PNG bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
