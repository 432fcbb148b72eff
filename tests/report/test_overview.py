"""`htmu show` and `htmu compare` tell stored numbers: nothing is fitted again, and words agree with numbers."""

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from htmu_diag.analysis import Options, Reading
from htmu_diag.cli import main
from htmu_diag.errors import InputError, StorageError
from htmu_diag.report.compare_text import compare_text
from htmu_diag.report.comparison import compare_runs
from htmu_diag.report.overview import held, overview
from htmu_diag.report.show_text import show_text
from htmu_diag.storage import Store, load_run
from tests.browser.runs import NAMES, STEPS, curvature, spectrum
from tests.browser.stored import store

FEW = NAMES[:4]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("stored")
    store(root / "slow", 1.0, names=FEW)
    store(root / "fast", 3.0, names=FEW)
    return root / "slow", root / "fast"


def test_a_run_is_shown_at_its_last_step_with_reasons(runs: tuple[Path, Path]) -> None:
    shown = overview(load_run(runs[0]))
    assert (shown.step, shown.steps) == (200, STEPS)
    assert [row["name"] for row in shown.rows] == list(FEW)
    assert shown.rows[0]["alpha"] == spectrum(FEW[0], 200, 1.0).tail.alpha
    assert shown.others == ("hessian", "ntk")
    text = show_text(shown, 100)
    assert f"{FEW[0]}: {shown.rows[0]['verdict']}: {shown.rows[0]['reason']}" in text
    assert "train/loss 0.3913" in text
    without_phases = overview(load_run(runs[0]), kind="hessian")
    assert without_phases.rows[0]["tail_reason"] in show_text(without_phases, 100)


@pytest.mark.parametrize("width", [44, 60, 80, 100])
def test_the_table_fits_a_terminal_and_names_what_it_leaves_out(runs: tuple[Path, Path], width: int) -> None:
    shown = overview(load_run(runs[0]))
    whole, fitted = (show_text(shown, width, fitted=fitted).split("\n\n")[1].splitlines() for fitted in (False, True))
    left_out = fitted.pop() if fitted[-1].startswith("(no room for") else ""
    assert all(len(line) <= width for line in fitted)
    assert all(str(row["verdict"]) in line for row, line in zip(shown.rows, fitted[1:], strict=True))
    for heading in whole[0].split():
        assert (heading in fitted[0].split()) != (f" {heading}" in left_out)


def test_a_run_without_numbers_is_diagnosed_at_its_last_step(tmp_path: Path) -> None:
    """Of an earlier version, or killed before anything was diagnosed."""
    with Store(tmp_path, info={"options": {"bootstrap": 30}}, fsync=False) as kept:
        for step in STEPS[:2]:
            kept.write(step, [spectrum(FEW[0], step, 1.0).spectrum])
    shown = overview(load_run(tmp_path))
    assert (shown.step, shown.steps, shown.waiting) == (STEPS[1], STEPS[:2], (STEPS[0],))
    assert shown.rows[0]["alpha"] == pytest.approx(spectrum(FEW[0], STEPS[1], 1.0).tail.alpha)
    with pytest.raises(StorageError, match=r"no numbers of kind 'ntk'; this run has weights.*; choose one with --kind"):
        overview(load_run(tmp_path), kind="ntk")


def test_nothing_is_fitted(runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(sys.modules["htmu_diag.analysis.diagnose"], "fit_power_law", refuse)
    assert overview(load_run(runs[0]), 60).rows
    assert compare_runs(load_run(runs[0]), load_run(runs[1])).layers


def test_the_ribbon_has_a_letter_for_each_measurement_and_none_where_a_layer_failed(runs: tuple[Path, Path]) -> None:
    shown = overview(load_run(runs[0]))
    for name, ribbon in shown.ribbon.items():
        words = [spectrum(name, step, 1.0).verdict for step in STEPS]
        expected = [next(k for k, v in shown.letters.items() if v == word) for word in words]
        if name == FEW[3]:
            expected[STEPS.index(40)] = "."
        assert list(ribbon) == expected


def test_a_change_counts_once_it_has_lasted() -> None:
    assert held("RRHRHHHDH") == "RRRRRHHHH"
    assert held("R.H.HH") == "R.R.HH"
    assert held("") == ""


@pytest.mark.parametrize(("ribbon", "late"), [("RRHH", 0), ("RRHD", 1), ("RHRH", 1), ("RR..", 0)])
def test_a_last_verdict_that_no_letter_shows_yet_is_told(ribbon: str, late: int, runs: tuple[Path, Path]) -> None:
    shown = replace(overview(load_run(runs[0])), ribbon={"layer": ribbon})
    told = f"a letter changes once the new one came twice in a row; the last verdict of {late} came once"
    assert (told in show_text(shown)) == bool(late)


def test_changes_name_the_layer_both_verdicts_and_why(runs: tuple[Path, Path]) -> None:
    said = []
    for before, step in itertools.pairwise(STEPS):
        for change in overview(load_run(runs[0]), step).changes:
            assert change.startswith(f"since step {before}: ")
            said.append(change)
    moved = [(name, spectrum(name, 0, 1.0).verdict) for name in FEW[:3]]
    for name, first in moved:
        assert any(f"{name}: {first} -> " in change for change in said)
    assert f"since step 30: {FEW[3]}: no longer measured" in said
    assert f"since step 40: {FEW[3]}: measured, as it was not before" in said


def test_what_could_not_be_measured_is_an_alarm(runs: tuple[Path, Path]) -> None:
    assert overview(load_run(runs[0]), 40).alarms[0] == f"{FEW[3]}: 3 of 64 values are NaN at step 40"
    assert overview(load_run(runs[0]), 200).alarms == []


def test_a_run_is_the_same_as_itself_and_not_as_another(runs: tuple[Path, Path]) -> None:
    slow, fast = (load_run(run) for run in runs)
    same, other = compare_runs(slow, slow), compare_runs(slow, fast, step=80)
    assert not same.differs
    assert same.settings == {}
    assert other.differs
    assert other.settings == {"optimizer.lr": (0.001, 0.003)}
    for drift in other.layers:
        one, two = (spectrum(drift.layer, 80, rate) for rate in (1.0, 3.0))
        assert drift.verdicts == (one.verdict, two.verdict)
        low, high = one.numbers["alpha_low"], one.numbers["alpha_high"]
        apart = two.numbers["alpha_high"] < low or two.numbers["alpha_low"] > high
        assert ("alpha" in drift.apart) == apart


def test_layers_of_another_shape_are_told(runs: tuple[Path, Path], tmp_path: Path) -> None:
    with Store(tmp_path, info={"options": {"bootstrap": 30}}, fsync=False) as kept:
        found = spectrum(FEW[1], 0, 1.0).spectrum
        other = [replace(found, source=replace(found.source, name=FEW[0]))]
        kept.write(200, other)
        kept.write_numbers(200, other, [Reading.of(spectrum(FEW[1], 0, 1.0))], Options(bootstrap=30))
    compared = compare_runs(load_run(runs[0]), load_run(tmp_path))
    (drift,) = compared.layers
    assert drift.shapes == ((48, 96), (64, 64))
    assert f"of another shape in B, where noise has other values: {FEW[0]} 48 x 96 -> 64 x 64" in compare_text(compared)
    assert "another shape" not in compare_text(compare_runs(load_run(runs[0]), load_run(runs[1])))


def test_a_run_that_diverged_says_what_could_not_be_measured(tmp_path: Path) -> None:
    with Store(tmp_path, info={"options": {"bootstrap": 30}}, fsync=False) as kept:
        found = spectrum(FEW[0], 0, 1.0)
        kept.write(0, [found.spectrum])
        kept.write_numbers(0, [found.spectrum], [Reading.of(found)], Options(bootstrap=30))
        for step in (10, 20):
            kept.write(step, [], events=[f"{FEW[0]} (weights, step {step}): 9 of 9 weights are NaN"])
        kept.write(25, [replace(curvature(100).spectrum, source=replace(curvature(100).source, step=25))])
    shown = overview(load_run(tmp_path))
    assert (shown.step, shown.steps, shown.lost, shown.waiting) == (0, (0, 10, 20), (10, 20), ())
    lost = f"2 steps, 10 to 20, could not be measured: {FEW[0]} (weights, step 20): 9 of 9 weights are NaN"
    assert shown.alarms == [lost]
    assert "step 0 (1 measured step)" in show_text(shown)
    assert ". not measured" in show_text(shown)
    assert overview(load_run(tmp_path), 20).rows == []
    assert "layer " not in show_text(overview(load_run(tmp_path), 20))


def test_runs_can_be_read_where_their_losses_are_equal(runs: tuple[Path, Path]) -> None:
    slow, fast = (load_run(run) for run in runs)
    found = compare_runs(slow, fast, at_loss="train/loss")
    assert found.steps == (200, 80)  # 3 / (1 + 200/30) is reached by the faster run between 60 and 80
    with pytest.raises(InputError, match="no curve 'test/loss'; it has train/loss"):
        compare_runs(slow, fast, at_loss="test/loss")


def test_numbers_that_wait_are_made_for_a_comparison(tmp_path: Path) -> None:
    """Diagnoses that were put off; where both runs have some numbers, the last common step that has them is taken."""
    for run, known in (("one", (0, 10)), ("two", ())):
        with Store(tmp_path / run, info={"options": {"bootstrap": 30}}, fsync=False) as kept:
            for step in (0, 10, 20):
                found = spectrum(FEW[0], step, 1.0)
                kept.write(step, [found.spectrum])
                if step in known:
                    kept.write_numbers(step, [found.spectrum], [Reading.of(found)], Options(bootstrap=30))
    one, two = load_run(tmp_path / "one"), load_run(tmp_path / "two")
    assert (compare_runs(one, two).steps, compare_runs(one, one).steps) == ((20, 20), (10, 10))
    (drift,) = compare_runs(one, two, step=20).layers
    assert drift.numbers["alpha"] == pytest.approx((spectrum(FEW[0], 20, 1.0).tail.alpha,) * 2)


def test_what_cannot_be_compared_is_said(runs: tuple[Path, Path]) -> None:
    slow, fast = (load_run(run) for run in runs)
    with pytest.raises(StorageError, match="step 7 is not measured in both runs; common steps: 0 to 200"):
        compare_runs(slow, fast, step=7)
    with pytest.raises(StorageError, match="no numbers of kind 'ggn'; this run has weights, hessian, ntk; choose one"):
        compare_runs(slow, fast, kind="ggn")
    with pytest.raises(StorageError, match="no record of step 7"):
        overview(load_run(runs[0]), 7)
    with pytest.raises(StorageError, match="this run has weights, hessian, ntk"):
        overview(load_run(runs[0]), kind="ggn")


def test_the_commands_print_and_answer_with_their_exit_code(
    runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    slow, fast = map(str, runs)
    assert main(["show", slow, "--step", "60"]) == 0
    assert "step 60 (12 measured steps, 0 to 200)" in capsys.readouterr().out
    assert main(["show", slow, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["step"], len(shown["rows"])) == (200, len(FEW))
    assert main(["compare", slow, slow]) == 0
    assert "0 of 4 layers differ" in capsys.readouterr().out
    assert main(["compare", slow, fast, slow, "--step", "80", "--json"]) == 1
    assert [one["differs"] for one in json.loads(capsys.readouterr().out)] == [True, False]
    assert main(["compare", slow, "/nowhere"]) == 2
    assert main(["report", slow, fast, "--out", str(runs[0] / "both.html")]) == 0
    assert capsys.readouterr().out.strip().endswith("both.html")
