"""The legend below a panel: a sample of each artist beside its label, in columns.

Matplotlib's own lays nested boxes out several times for each drawing, which took more than a third of a picture's time.
Every label stays on its artist, so that ``axes.legend()`` gives that one.
"""

from __future__ import annotations

import math
from typing import Any

__all__ = ["draw_legend"]

_SIZE = 7.5  # points, of text
# inches: from the panel's lower left corner to the first sample, a sample, from it to its label; from row to row
_LEFT, _SAMPLE, _GAP, _ROW = -0.09, 0.21, 0.09, 0.157
_COLUMN = 0.21  # inches between the longest label of a column and the next column
_MIDDLE = 0.037  # inches from a label's baseline to the middle of its sample
_BAR = 7.0  # points, the height of a sample of bars


def draw_legend(axes: Any, below: float, columns: int) -> None:
    """Name everything in the panel that has a label. below: inches from the panel to the first row's baseline."""
    from matplotlib.transforms import ScaledTranslation

    inches = axes.figure.dpi_scale_trans + ScaledTranslation(0, 0, axes.transAxes)
    entries = list(zip(*axes.get_legend_handles_labels(), strict=True))
    rows, left = math.ceil(len(entries) / columns), _LEFT
    for column in range(columns):
        widest = 0.0
        for row, (artist, label) in enumerate(entries[column * rows : (column + 1) * rows]):
            up = -below - row * _ROW
            sample = _sample(artist, (left, left + _SAMPLE), up + _MIDDLE)
            sample.set(transform=inches, clip_on=False)
            axes.add_artist(sample).set_clip_path(None)
            text = axes.text(left + _SAMPLE + _GAP, up, label, fontsize=_SIZE, transform=inches, parse_math=False)
            widest = max(widest, text.get_window_extent().width / axes.figure.dpi)
        left += _SAMPLE + _GAP + widest + _COLUMN


def _sample(artist: Any, ends: tuple[float, float], up: float) -> Any:
    from matplotlib.lines import Line2D

    if not isinstance(artist, Line2D):  # bars
        return Line2D(ends, (up, up), color=artist.get_facecolor(), linewidth=_BAR, solid_capstyle="butt")
    sample = Line2D(ends, (up, up))
    sample.update_from(artist)
    if artist.get_linestyle() == "None":
        sample.set_data((sum(ends) / 2,), (up,))
    sample.set_label("")
    return sample
