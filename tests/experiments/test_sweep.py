"""Sweeps end to end at reduced size: run, killed, gone on with, shared, failed, judged."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from htmu_diag.cli import main
from htmu_diag.experiments.claims import claimed, result
from htmu_diag.experiments.expect import judge
from htmu_diag.experiments.page import make_page, write_page
from htmu_diag.experiments.plan import bundled, load_sweep, smaller
from htmu_diag.experiments.rows import Row
from htmu_diag.experiments.runner import run_sweep

SCRIPT = """
import json, sys, pathlib
out, x, seed = pathlib.Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
if x == 13: raise SystemExit("unlucky")
open(out.parent.parent / "order.txt", "a").write(f"{x} {seed}\\n")
(out / "numbers.json").write_text(json.dumps({"y": 2 * x + seed / 10, "flat": 1.0 + seed / 100, "none": None}))
"""

YAML = """
title: Lines
claim: y rises.
control: flat does not.
command: [{python}, {script}, "{{out}}", "{{x}}", "{{seed}}"]
grid: {{x: {values}}}
seeds: 3
table: [y, flat]
figures: [{{x: x, y: [y, flat]}}]
expect:
  - {{number: y, against: x, trend: rises}}
  - {{number: y, against: x, trend: falls}}
  - {{number: flat, against: x, within: 1.1}}
  - {{number: y, like: x, within: 1.5}}
"""


def _sweep(folder: Path, values: str, script: str = SCRIPT) -> str:
    (folder / "script.py").write_text(script)
    path = folder / "mine.yaml"
    path.write_text(YAML.format(python=sys.executable, script=folder / "script.py", values=values))
    return str(path)


def test_a_sweep_of_a_users_script_runs_once_each_fails_in_one_line_and_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = _sweep(tmp_path, "[1, 2, 13, 4]"), tmp_path / "out"
    assert main(["sweep", path, "--out", str(out)]) == 1
    told = capsys.readouterr().out
    assert told.count("failed: exit code 1: unlucky") == 3
    assert "as claimed: y rises with x" in told
    assert "not as claimed: y rises with x" in told
    assert "as claimed: flat differs by a factor 1.00" in told
    assert "not as claimed: y / x: 2.02 to 2.1" in told
    assert "2 of 4 as claimed (9 runs, 3 failed)" in told
    page = (out / "page.md").read_text()
    assert "| 2 | 3 | 4.1 [3.85, 4.35] | 1.01 [0.985, 1.03] |" in page.replace("|  |", "|")
    assert "<img" in (out / "page.html").read_text()
    assert (out / "figure-1.png").stat().st_size > 1000
    assert main(["sweep", path, "--out", str(out)]) == 1  # nothing is run twice
    assert len((out / "order.txt").read_text().splitlines()) == 9


def test_failed_runs_are_repeated_when_asked_and_another_sweep_is_refused(tmp_path: Path) -> None:
    path, out = _sweep(tmp_path, "[1, 13]"), tmp_path / "out"
    assert run_sweep(load_sweep(path), out, say=lambda line: None).failed == 3
    (tmp_path / "script.py").write_text(SCRIPT.replace("x == 13", "x == 14"))
    assert run_sweep(load_sweep(path), out, say=lambda line: None).failed == 3
    assert run_sweep(load_sweep(path), out, retry=True, say=lambda line: None).failed == 0
    other = _sweep(tmp_path, "[5]")
    assert main(["sweep", other, "--out", str(out)]) == 2


def test_a_killed_sweep_goes_on_and_two_processes_share_the_rest(tmp_path: Path) -> None:
    """kill -9 in the middle of a unit: its claim is free at once, and no unit is run by both of two later processes."""
    slow = SCRIPT.replace("import json", "import time, json").replace("if x", "time.sleep(0.2)\nif x")
    path, out = _sweep(tmp_path, "[1, 2, 3]", slow), tmp_path / "out"
    command = [sys.executable, "-m", "htmu_diag", "sweep", path, "--out", str(out)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while not list((out / "results").glob("*.json")):
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = len(list((out / "results").glob("*.json")))
    assert 0 < done < 9
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len(list((out / "results").glob("*.json"))) == 9
    assert sum(text.count(" s\n") for text in told) == 9 - done
    assert sum("page:" in text for text in told) >= 1


def test_a_unit_is_claimed_by_one_and_free_when_it_is_done_or_its_process_is_gone(tmp_path: Path) -> None:
    with claimed(tmp_path, "a") as mine, claimed(tmp_path, "a") as other, claimed(tmp_path, "b") as apart:
        assert (mine, other, apart) == (True, False, True)
    with claimed(tmp_path, "a") as again:
        assert again
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "a.json").write_text(json.dumps({"status": "done"}))
    with claimed(tmp_path, "a") as finished:
        assert not finished
    assert result(tmp_path, "b") is None


def test_a_training_sweep_leaves_ordinary_runs_and_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text(
        "config: {model: {widths: [40, 40]}, data: {samples: 200}, steps: 6, log_every: 2, evaluate_every: 3,"
        " monitor: {every: 3, bootstrap: 0, tensorboard: false}}\n"
        "grid: {optimizer.lr: [0.01, -1]}\n"
    )
    assert (
        main(["sweep", str(path), "--out", str(tmp_path / "out")]) == 2
    )  # a wrong value is known before the first run
    path.write_text(path.read_text().replace("-1", "0.1"))
    assert main(["sweep", str(path), "--out", str(tmp_path / "again")]) == 0
    content = result(tmp_path / "again", "lr=0.1,seed=0")
    assert content is not None
    assert [step for step, _ in content["curves"]["weights_kappa/fc1.weight"]] == [0, 3, 6]
    assert 0 < content["numbers"]["test/accuracy"] <= 1
    assert (tmp_path / "again" / "runs" / "lr=0.1,seed=0" / "run.json").exists()


def test_what_another_number_explains_is_no_trend_at_its_equal() -> None:
    """The metric follows the distance, the distance the rate: at equal distance nothing is left of the rate."""
    rng = np.random.default_rng(0)
    rows = []
    for place in range(40):
        rate = float(rng.uniform(1, 2))
        way = rate + 0.5 * float(rng.standard_normal())
        numbers = {
            "way": way,
            "y": -way + 0.05 * float(rng.standard_normal()),
            "own": rate + 0.05 * rng.standard_normal(),
        }
        rows.append(Row(str(place), "", {"rate": rate}, place, numbers, {}))
    plain = judge({"number": "y", "against": "rate", "trend": "falls"}, rows, ("rate",))
    assert plain.holds
    given = judge({"number": "y", "against": "rate", "given": ["way"], "trend": "none"}, rows, ("rate",))
    assert given.holds
    assert "given way, y neither rises nor falls with rate" in given.sentence
    assert not judge({"number": "own", "against": "rate", "given": ["way"], "trend": "none"}, rows, ("rate",)).holds


def test_a_bound_holds_for_each_arm_not_for_their_mean() -> None:
    rows = [Row(f"{arm}{seed}", arm, {}, seed, {"y": y}, {}) for arm, y in (("a", 0.99), ("b", 0.6)) for seed in (0, 1)]
    assert not judge({"number": "y", "least": 0.7}, rows, ()).holds
    assert judge({"number": "y", "least": 0.5}, rows, ()).holds
    assert judge({"number": "y", "least": 0.7, "arm": "a"}, rows, ()).holds


SMALL = {
    "kernel_curve": {"samples": 120, "steps": 5, "draws": 2},
    "network_curve": {"sizes": (50, 100, 150), "steps": 5, "probe": 300},
    "phase_truth": {"bootstrap": 0},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", bundled())
def test_every_bundled_sweep_runs_to_its_page_at_reduced_size(name: str, tmp_path: Path) -> None:
    sweep = load_sweep(name)
    steps = 80 if name == "trajectory" else 2  # a tail of step lengths needs some
    sweep = smaller(sweep, SMALL[str(sweep.base)] if sweep.what == "study" else {"steps": steps})
    if name == "batch":  # of images that are here
        sweep = smaller(sweep, {"data.name": "digits", "data.batch_size": 20, "steps": 2})
    finished = run_sweep(sweep, tmp_path / "out", say=lambda line: None)
    assert (finished.failed, finished.open) == (0, 0)
    page = make_page(sweep, tmp_path / "out")
    assert page.runs == len(sweep.units)
    assert len(page.verdicts) == len(sweep.expect)
    assert all("kappa_bulk" in line for line in page.absent)  # two steps may leave no bulk to fit
    assert write_page(page, tmp_path / "out").stat().st_size > 1000
