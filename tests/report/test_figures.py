"""Figures show the density and what was fitted to it, and leave matplotlib's global state alone."""

import io
import itertools
import pickle
import struct
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from htmu_diag.analysis import Diagnosis
from htmu_diag.fits import Status
from htmu_diag.laws import HTMP, InverseHTMP
from htmu_diag.report import esd_figure, png
from htmu_diag.report.figures import Pictures
from htmu_diag.report.legend import draw_legend
from htmu_diag.report.panel import log_histogram
from htmu_diag.spectrum import Kind
from tests.browser.runs import curvature, kernel

Of = Callable[..., Diagnosis]


def labels(figure: object) -> list[str]:
    return [text.get_text() for panel in figure.axes for text in panel.texts]  # type: ignore[attr-defined]


def test_the_histogram_holds_all_the_mass(heavy: Diagnosis) -> None:
    spectrum = heavy.spectrum
    edges, density = log_histogram(spectrum.values, spectrum.masses)
    assert density @ np.diff(edges) == pytest.approx(1.0)
    assert np.diff(np.log(edges)) == pytest.approx(np.log(edges[1] / edges[0]))


def test_the_power_law_lies_on_the_histogram_of_a_power_law(heavy: Diagnosis) -> None:
    panel = esd_figure(heavy).axes[0]
    x, y = next(line for line in panel.lines if "power law" in str(line.get_label())).get_data()
    edges, density = log_histogram(heavy.spectrum.values, heavy.spectrum.masses)
    centres = np.sqrt(edges[1:] * edges[:-1])
    crowded = (centres > x[0]) & (density * np.diff(edges) * 200 > 10)
    assert crowded.sum() >= 3
    ratio = np.exp(np.interp(np.log(centres[crowded]), np.log(x), np.log(y))) / density[crowded]
    assert ratio == pytest.approx(1.0, rel=0.5)
    assert ratio.mean() == pytest.approx(1.0, rel=0.2)


def test_every_fit_is_in_the_legend(heavy: Diagnosis) -> None:
    shown = " ".join(labels(esd_figure(heavy)))
    for part in (
        "200 eigenvalues",
        "HTMP, kappa",
        f"power law, alpha {heavy.tail.alpha:.2f}",
        f"KS {heavy.tail.ks_distance:.3g}",
    ):
        assert part in shown


def test_a_power_law_that_is_ruled_out_says_so(heavy: Diagnosis) -> None:
    rejected = replace(heavy, tail=replace(heavy.tail, cause="finite end", status=Status("not_a_power_law", "an end")))
    assert any(
        label.startswith("power law") and label.endswith("ruled out (finite end)")
        for label in labels(esd_figure(rejected))
    )
    assert not any("ruled out" in label for label in labels(esd_figure(heavy)))


def test_the_edge_of_the_bulk_and_its_spikes_are_marked(noise: Diagnosis, of: Of) -> None:
    values = np.append(noise.spectrum.values[:-2], [20.0, 30.0])
    spiked = of(values)
    assert spiked.bulk is not None
    shown = labels(esd_figure(spiked))
    assert "Marchenko-Pastur edge" in shown
    assert f"{spiked.bulk.n_spikes} spikes" in shown


def test_the_longest_legend_lies_inside_the_picture(of: Of) -> None:
    """Spikes, a law that does not describe, its bulk, a rival, a tail: everything that a panel may name."""
    beside_spikes = np.concatenate([np.linspace(0.1, 3.0, 60) ** 1.5, [20.0, 40.0, 80.0]])
    figure = esd_figure([of(beside_spikes)] * 4, columns=2)
    assert all(len(panel.texts) == 8 for panel in figure.axes)
    figure.canvas.draw()
    assert all(text.get_window_extent().y0 >= 0 for panel in figure.axes for text in panel.texts)


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_no_two_labels_of_a_legend_overlap_and_each_has_a_sample_at_its_left(noise: Diagnosis, columns: int) -> None:
    figure = esd_figure(noise)
    (panel,) = figure.axes
    for artist in (*panel.texts, *(line for line in panel.lines if not line.get_label())):
        artist.remove()
    draw_legend(panel, 0.5, columns)
    boxes = [text.get_window_extent() for text in panel.texts]
    samples = [line for line in panel.lines if not line.get_label()]
    assert [text.get_text() for text in panel.texts] == panel.get_legend_handles_labels()[1]
    assert len(boxes) == len(samples) >= 3
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    for box, sample in zip(boxes, samples, strict=True):
        places = sample.get_transform().transform(np.transpose(sample.get_data()))
        assert ((box.x0 - 40 < places[:, 0]) & (places[:, 0] < box.x0)).all()
        assert ((box.y0 < places[:, 1]) & (places[:, 1] < box.y1)).all()


def test_a_model_has_a_panel_for_each_layer(noise: Diagnosis, heavy: Diagnosis) -> None:
    figure = esd_figure([noise, heavy] * 2, title="step 100")
    assert [panel.get_title(loc="left") != "" for panel in figure.axes] == [True] * 4 + [False] * 2
    assert esd_figure([]).axes
    assert len(png(figure, dpi=30)) > 1000


@pytest.mark.parametrize("values", [[], [0.0], [1.0], [2.0] * 5, [-1.0, 3.0], [1e-300, 1e300]])
def test_any_spectrum_can_be_drawn(values: list[float], of: Of) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = png(esd_figure(of(values)), dpi=50)
    assert data.startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", [Kind.HESSIAN, Kind.NTK, Kind.TRAJECTORY])
def test_every_kind_can_be_drawn(kind: Kind, of: Of) -> None:
    figure = esd_figure(of(np.random.default_rng(0).pareto(2.0, 50) + 0.1, "model", kind))
    assert f"model ({kind.value})\n50 x 50, step 100" in figure.axes[0].get_title(loc="left")
    assert png(figure, dpi=50).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["a$b_c^{", "größe", "日本語\n", "x" * 200])
def test_any_layer_name_can_be_drawn_without_a_warning(name: str, of: Of) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert png(esd_figure(of([1.0, 2.0, 3.0], name)), dpi=50)


def test_the_png_has_the_size_that_was_asked_for(noise: Diagnosis) -> None:
    figure = esd_figure(noise)
    width, height = struct.unpack(">II", png(figure, dpi=80)[16:24])
    assert (width, height) == tuple(round(side * 80) for side in figure.get_size_inches())


def test_the_quick_png_has_every_pixel_of_a_saved_figure(noise: Diagnosis) -> None:
    figure, usual = esd_figure(noise), io.BytesIO()
    figure.savefig(usual, format="png", dpi=100)
    with Image.open(io.BytesIO(png(figure))) as ours, Image.open(usual) as theirs:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs.convert("RGB")))


def test_figures_can_be_drawn_in_a_thread(noise: Diagnosis) -> None:
    drawn: list[bytes] = []
    thread = threading.Thread(target=lambda: drawn.append(png(esd_figure(noise), dpi=50)))
    thread.start()
    thread.join()
    assert drawn[0].startswith(b"\x89PNG")


def test_what_came_from_another_process_is_drawn_to_the_last_bit(of: Of) -> None:
    rng = np.random.default_rng(2)
    spiked = np.append(HTMP(0.5, 11.3).rvs(150, rng=rng), [40.0, 90.0])
    for values in (HTMP(0.5, 23.7).rvs(200, rng=rng), InverseHTMP(0.5, 7.7).rvs(200, rng=rng), spiked):
        fresh = of(values)
        lines = [esd_figure(one).axes[0].lines for one in (fresh, pickle.loads(pickle.dumps(fresh)))]
        assert any("HTMP" in str(line.get_label()) for line in lines[0])
        for drawn, again in zip(*lines, strict=True):
            np.testing.assert_array_equal(drawn.get_xydata(), again.get_xydata())


def test_a_panel_that_is_kept_draws_what_a_new_one_does(noise: Diagnosis, heavy: Diagnosis, of: Of) -> None:
    """To the last byte, whatever was drawn before: also behind a panel of words, and after one with other scales."""
    empty, narrow, wide = of(np.zeros(20)), of(np.linspace(1.0, 2.0, 40)), of(np.geomspace(1e-9, 1e5, 60))
    pictures = Pictures()
    for shown in (noise, heavy, empty, narrow, wide, noise):
        assert pictures.png(shown) == png(esd_figure(shown))


def test_drawing_imports_no_pyplot() -> None:
    code = (
        "import sys; from htmu_diag.report import esd_figure, png; png(esd_figure([]));"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_laws_of_the_lowest_values_and_outliers_are_drawn_where_there_are_some() -> None:
    def named(diagnosis: Diagnosis) -> list[str]:
        (axes,) = esd_figure(diagnosis).axes
        return [str(line.get_label()).partition(",")[0] for line in axes.lines]

    assert {"lower tail", "inverse Gamma"} < {*named(kernel(0))}
    assert "2 outliers" in named(curvature(0))
