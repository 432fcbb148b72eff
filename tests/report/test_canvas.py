"""The pictures' own canvas: text lies where Agg puts it, and PNG holds the pixels."""

import io
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from htmu_diag.report.canvas import Canvas, packed


def ink(canvas: type[FigureCanvasAgg], **how: Any) -> tuple[np.ndarray, np.ndarray]:
    """(rows, columns, 3) of what a line of text takes from white, and (x, y) of its centre."""
    figure = Figure(figsize=(3, 3), facecolor="white", dpi=100)
    figure.text(0.47, 0.52, "kappa 8.5 +- 4.9, g", **how)
    made = canvas(figure)
    with rc_context({"text.hinting": "none"}):
        made.draw()
    found = 255.0 - np.asarray(made.buffer_rgba())[:, :, :3]
    across, down = np.arange(300), np.arange(300)[:, None]
    weights = found.sum(axis=2)
    return found, np.array([(across * weights).sum(), (down * weights).sum()]) / weights.sum()


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"rotation": 90},
        {"ha": "center", "va": "center", "color": "#d1495b"},
        {"ha": "right", "va": "top", "rotation": 90, "fontsize": 7.5},
        {"alpha": 0.5, "va": "bottom"},
        {"rotation": 30},
    ],
)
def test_a_line_of_text_lies_where_agg_draws_it_letter_by_letter(how: dict[str, Any]) -> None:
    (theirs, centre), (ours, place) = ink(FigureCanvasAgg, **how), ink(Canvas, **how)
    assert place == pytest.approx(centre, abs=0.75)
    assert ours.sum(axis=(0, 1)) == pytest.approx(theirs.sum(axis=(0, 1)), rel=0.005)
    smoother = [
        np.add.reduceat(np.add.reduceat(each, range(0, 300, 6)), range(0, 300, 6), axis=1) for each in (theirs, ours)
    ]
    assert np.corrcoef(*(each.ravel() for each in smoother))[0, 1] > 0.9  # neither mirrored nor upside down


def test_png_holds_every_pixel_and_the_resolution() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    picture = Image.open(io.BytesIO(packed(pixels, 100)))
    assert (np.asarray(picture) == pixels).all()
    assert picture.info["dpi"] == pytest.approx((100, 100), rel=1e-3)
