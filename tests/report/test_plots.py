"""Figures of runs: into axes that are handed in, on shared limits, in mathtext, as vector graphics."""

import io
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import htmu_diag
from htmu_diag.analysis import QUANTITIES
from htmu_diag.errors import InputError
from htmu_diag.report.plots import mathtext
from tests.browser.runs import NAMES, spectrum
from tests.browser.stored import store

FEW = NAMES[:3]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> htmu_diag.report.ViewedRun:  # type: ignore[name-defined]
    folder = tmp_path_factory.mktemp("run")
    store(folder, 1.0, names=FEW)
    return htmu_diag.load_run(folder)


def test_curves_are_the_stored_numbers_in_the_axes_that_were_handed_in(run: object) -> None:
    axes = Figure().subplots()
    figure = run.plot("alpha", ax=axes, interval=True)  # type: ignore[attr-defined]
    assert figure is axes.figure
    assert axes.get_ylabel() == r"$\alpha$"
    for line, name in zip(axes.lines, FEW, strict=True):
        assert line.get_label() == name
        assert list(line.get_ydata()) == [spectrum(name, int(step), 1.0).tail.alpha for step in line.get_xdata()]
    assert len(axes.collections) == len(FEW)


def test_spectra_share_their_axes_and_can_do_without_fits(run: object) -> None:
    figure = run.plot_spectrum(FEW[0], steps=[0, 100, 200])  # type: ignore[attr-defined]
    bare = run.plot_spectrum(FEW[0], steps=[0, 100, 200], fits=False)  # type: ignore[attr-defined]
    for drawn in (figure, bare):
        assert len(drawn.axes) == 3
        assert len({(panel.get_xlim(), panel.get_ylim()) for panel in drawn.axes}) == 1
    assert all(panel.lines for panel in figure.axes)
    assert not any(panel.lines for panel in bare.axes)


@pytest.mark.parametrize("form", ["pdf", "svg"])
def test_figures_are_written_as_vector_graphics(run: object, form: str) -> None:
    out = io.BytesIO()
    run.plot("log_kappa").savefig(out, format=form)  # type: ignore[attr-defined]
    assert out.getvalue()[:5] in (b"%PDF-", b"<?xml")
    assert b"<image" not in out.getvalue()


def test_two_runs_stand_beside_each_other(run: object, tmp_path: Path) -> None:
    store(tmp_path / "fast", 3.0, names=FEW[:2])
    other = htmu_diag.load_run(tmp_path / "fast")
    axes = htmu_diag.compare(run, other, "alpha").axes[0]
    one, two = axes.lines
    assert list(one.get_xdata()) == [spectrum(name, 200, 1.0).tail.alpha for name in FEW[:2]]
    assert list(two.get_xdata()) == [spectrum(name, 200, 3.0).tail.alpha for name in FEW[:2]]
    assert axes.get_xlabel() == r"$\alpha$ at step 200"


def test_what_is_not_there_is_said(run: object) -> None:
    with pytest.raises(InputError, match="fc9: no such layer"):
        run.plot("alpha", layers=["fc9"])  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="no spectrum at step 7; measured steps: 0 to 200"):
        run.plot_spectrum(FEW[0], steps=[7])  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="1 axes for 2 steps"):
        run.plot_spectrum(FEW[0], steps=[0, 10], ax=Figure().subplots())  # type: ignore[attr-defined]
    with pytest.raises(
        InputError, match="no alpha of conjugate_kernel to draw; measured are weights, hessian, ntk: pass"
    ):
        run.plot("alpha", kind="conjugate_kernel")  # type: ignore[attr-defined]


def test_a_single_measurement_is_a_point_that_is_seen(run: object, tmp_path: Path) -> None:
    store(tmp_path, 1.0, steps=(0,), names=FEW[:1])
    points = {
        "one": htmu_diag.load_run(tmp_path).plot("alpha").axes[0].lines[0].get_markevery(),
        "many": run.plot("alpha").axes[0].lines[0].get_markevery(),  # type: ignore[attr-defined]
    }
    assert points == {"one": [0], "many": []}


def test_every_symbol_is_valid_mathtext() -> None:
    parser = matplotlib.mathtext.MathTextParser("path")
    assert all(np.isfinite(parser.parse(mathtext(name)).width) for name in QUANTITIES)


def test_long_and_odd_names_leave_room_for_the_lines(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    names = ("a_name_that_a_framework_made_" * 6 + "weight", "_orig$mod_1$.weight")
    store(tmp_path / "run", 1.0, steps=(0, 10), names=names)
    run = htmu_diag.load_run(tmp_path / "run")
    for figure in (run.plot("alpha"), htmu_diag.compare(run, run, "alpha")):
        figure.savefig(io.BytesIO())
        axes = figure.axes[0]
        assert axes.get_position().width > 0.4
    texts = [text.get_text() for text in run.plot("alpha").axes[0].get_legend().get_texts()]
    assert [len(text) <= 36 for text in texts] == [True, True]
    assert r"\$mod" in texts[1]
    assert not [warning for warning in recwarn if "layout" in str(warning.message)]
