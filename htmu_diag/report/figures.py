"""Figures of spectra: the log-log density of each layer with everything that was fitted to it.

Figures are drawn with matplotlib's object interface on the Agg canvas: no window, no global state, any thread.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from htmu_diag.analysis import Diagnosis
from htmu_diag.arguments import checked, either, having, several, whole
from htmu_diag.extras import Late
from htmu_diag.report.panel import draw_esd, positive
from htmu_diag.undisturbed import uncollected

if TYPE_CHECKING:
    import matplotlib.figure
else:
    matplotlib = Late("matplotlib")

__all__ = ["Pictures", "esd_figure", "import_matplotlib", "png"]

# inches: one panel of a single figure or of many, and what surrounds it (below: the legend)
_SINGLE, _ONE_OF_MANY = (6.4, 3.8), (4.2, 2.7)
_LEFT, _RIGHT, _ABOVE, _TITLE = 0.75, 0.2, 0.5, 0.4
_BELOW, _BELOW_ONE_OF_MANY = 1.05, 1.75


@checked(
    diagnoses=either(having("a diagnosis", "fitted"), several("a list of them", "fitted")),
    columns=whole(1),
)
def esd_figure(
    diagnoses: Diagnosis | Sequence[Diagnosis], *, title: str = "", columns: int = 3
) -> matplotlib.figure.Figure:
    """The eigenvalue density of one layer, or of several side by side, as a matplotlib Figure.

    Each panel: histogram in logarithmic bins, fitted power law from xmin on, fitted HTMP law, edge of the
    Marchenko-Pastur bulk, spikes beyond it. columns: panels in a row, at most.
    """
    from matplotlib.figure import Figure

    from htmu_diag.report.canvas import Canvas

    shown = list(diagnoses) if isinstance(diagnoses, Sequence) else [diagnoses]
    width = max(1, min(columns, len(shown)))
    height = max(1, math.ceil(len(shown) / width))
    figure = Figure(facecolor="white")
    Canvas(figure)
    _arrange(figure, height, width, bool(title))
    panels = figure.subplots(height, width, squeeze=False).ravel()
    for panel, diagnosis in zip(panels, shown, strict=False):
        draw_esd(panel, diagnosis, legend_columns=2 if width == 1 else 1)
    for panel in panels[len(shown) :]:
        panel.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=12, parse_math=False, y=1 - 0.12 / figure.get_figheight())
    return figure


@functools.cache
def import_matplotlib() -> None:
    """What takes more than a third of a second when the first picture is drawn: the package and its fonts."""
    with uncollected():
        from matplotlib.figure import Figure

        from htmu_diag.report.canvas import Canvas

        figure = Figure()
        figure.subplots()
        Canvas(figure).draw()  # type: ignore[no-untyped-call]


class Pictures:
    """The pictures of single layers, one after another, each with the bytes of ``png(esd_figure(diagnosis))``.

    One panel is kept for all: making and measuring ticks takes most of the time of a picture. For one thread at a time.
    """

    def __init__(self) -> None:
        self._figure: matplotlib.figure.Figure | None = None

    def png(self, diagnosis: Diagnosis) -> bytes:
        """The layer's picture as PNG bytes."""
        if self._figure is None or not positive(diagnosis)[0].size:  # a panel of words has no scales to keep
            self._figure = esd_figure(diagnosis)
        else:
            (axes,) = self._figure.axes
            for artist in (*axes.lines, *axes.patches, *axes.texts):
                artist.remove()
            draw_esd(axes, diagnosis, legend_columns=2)
        found = png(self._figure)
        self._figure = self._figure if positive(diagnosis)[0].size else None
        return found


def _arrange(figure: matplotlib.figure.Figure, height: int, width: int, titled: bool) -> None:
    """Size and margins so that every panel has the same size in inches: a solved layout takes twice the time."""
    (across, up), below = (_SINGLE, _BELOW) if width == 1 else (_ONE_OF_MANY, _BELOW_ONE_OF_MANY)
    top = _ABOVE + (_TITLE if titled else 0.0)
    total = width * (across + _LEFT) + _RIGHT, height * (up + below) + (height - 1) * _ABOVE + top
    figure.set_size_inches(total)
    figure.subplots_adjust(
        left=_LEFT / total[0],
        right=1 - _RIGHT / total[0],
        bottom=below / total[1],
        top=1 - top / total[1],
        wspace=_LEFT / across,
        hspace=(below + _ABOVE) / up,
    )


@checked(figure=having("a matplotlib figure", "savefig"), dpi=whole(1, 10**4))
def png(figure: matplotlib.figure.Figure, *, dpi: int = 100) -> bytes:
    """The figure as PNG bytes."""
    from htmu_diag.report.canvas import packed

    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=dpi)
    width = int(figure.get_figwidth() * dpi)
    pixels = np.frombuffer(buffer.getbuffer(), np.uint8).reshape(-1, width, 4)
    return packed(pixels[:, :, :3], dpi)
