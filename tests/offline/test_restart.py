"""A sweep over checkpoints that is killed goes on when the same command is given again; many processes share it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.cli import main
from htmu_diag.errors import StorageError
from htmu_diag.offline import analyze_series, series
from htmu_diag.storage import Store
from tests import warm

ROOT = Path(__file__).parents[2]
TAIL = Options(tail_only=True)

# Imports once and forks the commands: two at a time, both killed at random moments, ten times; then two that end.
NURSERY = """
import gc, os, random, signal, sys, time
import torch
gc.freeze()  # a fork's collector leaves what is shared alone
torch.set_num_threads(1)  # a forked child has no threads of its parent's
from htmu_diag.cli import main
from htmu_diag.offline import session

folder, out, whole, kills = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
rng = random.Random(5)

def command(out):
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        os._exit(main(["analyze", folder, "--out", out, "--bootstrap", "30"]))
    return child

def ended(child):
    return os.waitpid(child, 0)[1]

def count():
    return len(os.listdir(f"{out}/parts")) if os.path.isdir(f"{out}/parts") else 0

left_out = 1 << 8  # one checkpoint is torn
assert ended(command(whole)) == left_out
killed = []
for kill in range(kills):
    children = [command(out), command(out)]
    goal, deadline = count() + rng.randint(0, 1), time.monotonic() + 20
    while count() < goal and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(rng.uniform(0.0, 0.03))
    for child in children:
        os.kill(child, signal.SIGKILL)
        killed.append(ended(child))
    print(count(), flush=True)
assert {left_out, signal.SIGKILL} >= set(killed)
children = [command(out), command(out)]
assert [ended(child) for child in children] == [left_out, left_out]
"""


def save(path: Path, seed: int, sides: tuple[int, int] = (24, 32)) -> None:
    torch.manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"fc.weight": torch.randn(sides), "out.weight": torch.randn(sides), "fc.bias": torch.zeros(3)}, path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for step in (10, 20, 30, 40):
        save(tmp_path / "all" / f"step_{step}.pt", step)
    return tmp_path / "all"


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps that are analysed, in order."""
    steps: list[int] = []
    whole = series.analyze

    def noted(path: Path, *, step: int, **choices: object) -> object:
        steps.append(step)
        return whole(path, step=step, **choices)

    monkeypatch.setattr(series, "analyze", noted)
    return steps


def content(folder: Path) -> dict[str, bytes]:
    """Every file but those that tell who wrote when: run.json, and TensorBoard's, whose names hold the time."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    left_out = ("run.json", "events.out.tfevents")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if not p.name.startswith(left_out)}


def test_ten_kills_at_random_moments_change_no_byte(tmp_path: Path) -> None:
    for step in range(100, 900, 100):
        save(tmp_path / "all" / f"step_{step}.pt", step)
    (tmp_path / "all" / "step_700.pt").write_bytes(b"torn")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    done = warm.run("-c", NURSERY, str(tmp_path / "all"), str(killed), str(whole), "10")
    assert done.returncode == 0, done.stderr
    counts = [int(line) for line in done.stdout.split()]
    assert counts == sorted(counts)  # nothing that was done is lost
    assert min(counts) < 8  # a kill came while there was work left
    ours, theirs = content(killed), content(whole)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert {
        "layers.csv",
        "analysis.json",
        "spectra/0000-from-0/numbers.jsonl",
        "parts/000000000700.json",
    } <= ours.keys()
    run = htmu_diag.load_run(killed)
    assert run.steps == tuple(range(100, 900, 100))
    assert run.undiagnosed() == ()


def test_what_was_analysed_is_never_analysed_again(folder: Path, tmp_path: Path, analysed: list[int]) -> None:
    sweep = analyze_series(folder, log_dir=tmp_path / "out", options=TAIL)
    first = [next(sweep), next(sweep)]
    sweep.close()  # as a process that ends in the middle
    assert analysed == [10, 20]
    again = list(analyze_series(folder, log_dir=tmp_path / "out", options=TAIL))
    assert analysed == [10, 20, 30, 40]
    assert [one.step for one in again] == [10, 20, 30, 40]
    assert repr([one.rows() for one in again[:2]]) == repr([one.rows() for one in first])
    assert again[0].skipped == first[0].skipped
    assert repr(again[0].rows("weightwatcher")) == repr(first[0].rows("weightwatcher"))
    assert list(analyze_series(folder, log_dir=tmp_path / "out", options=TAIL))[3].step == 40
    assert len(analysed) == 4


def test_a_new_and_a_changed_checkpoint_are_analysed(folder: Path, tmp_path: Path, analysed: list[int]) -> None:
    before = list(analyze_series(folder, log_dir=tmp_path / "out", options=TAIL))
    save(folder / "step_50.pt", 50)
    save(folder / "step_20.pt", 99)
    os.utime(folder / "step_20.pt", ns=(0, 0))
    after = list(analyze_series(folder, log_dir=tmp_path / "out", options=TAIL))
    assert analysed == [10, 20, 30, 40, 20, 50]
    assert after[1]["fc.weight"].numbers["lambda_max"] != before[1]["fc.weight"].numbers["lambda_max"]
    run = htmu_diag.load_run(tmp_path / "out")
    assert run.steps == (10, 20, 30, 40, 50)
    assert len(run.spectra(20)) == 2
    assert run.metrics("trace").values[1].tolist() == [d.numbers["trace"] for d in after[1].diagnoses]


def test_other_choices_are_refused_in_a_sentence_of_their_own(folder: Path, tmp_path: Path) -> None:
    list(analyze_series(folder, log_dir=tmp_path / "out", options=TAIL))
    before = content(tmp_path / "out")
    with pytest.raises(StorageError, match=r"out holds an analysis with bootstrap \d+ and not 7; give its own choices"):
        list(analyze_series(folder, log_dir=tmp_path / "out", options=Options(7, tail_only=True)))
    with pytest.raises(StorageError, match=r"include nothing and not fc\*"):
        list(analyze_series(folder, log_dir=tmp_path / "out", options=TAIL, include="fc*"))
    save(tmp_path / "others" / "step_10.pt", 1)
    with pytest.raises(StorageError, match="checkpoints .*all and not .*others"):
        list(analyze_series(tmp_path / "others", log_dir=tmp_path / "out", options=TAIL))
    assert content(tmp_path / "out") == before


def test_a_checkpoint_in_other_hands_is_passed_over_and_taken_when_they_let_go(
    folder: Path, tmp_path: Path, analysed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = analyze_series(folder, log_dir=tmp_path / "out", options=TAIL)
    next(other)
    hands = series.SeriesFolder(tmp_path / "out", folder, TAIL, {})
    claim = hands.claim(20)
    assert claim.__enter__()

    def let_go(seconds: float) -> None:
        assert analysed == [10, 30, 40]  # nothing else is left
        claim.__exit__(None, None, None)

    monkeypatch.setattr(series.time, "sleep", let_go)
    assert [one.step for one in other] == [20, 30, 40]
    assert analysed == [10, 30, 40, 20]
    hands.close()


def test_a_monitor_and_a_sweep_never_write_one_folder(folder: Path, tmp_path: Path) -> None:
    sweep = analyze_series(folder, log_dir=tmp_path / "out", options=TAIL)
    next(sweep)
    with pytest.raises(StorageError, match="being written by .* analyse checkpoints together"):
        Store(tmp_path / "out")
    sweep.close()
    with Store(tmp_path / "live"), pytest.raises(StorageError, match="being written by"):
        list(analyze_series(folder, log_dir=tmp_path / "live", options=TAIL))


def test_the_command_goes_on_and_refuses_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], analysed: list[int]
) -> None:
    line = ["analyze", str(folder), "--out", str(tmp_path / "out"), "--tail-only", "--json"]
    assert main(line) == 0
    first = capsys.readouterr().out
    assert main(line) == 0
    assert capsys.readouterr().out == first
    assert len(analysed) == 4
    assert [one["step"] for one in json.loads(first)["steps"]] == [10, 20, 30, 40]
    assert main([*line, "--seed", "3"]) == 2
    assert "with seed 0 and not 3" in capsys.readouterr().err
    assert main(["analyze", str(folder / "step_10.pt"), "--out", str(tmp_path / "out")]) == 2
    assert "is not empty" in capsys.readouterr().err
