"""``watch`` says what it does, on stderr: once at the beginning, once at the end, and when one waits for it."""

from __future__ import annotations

import random
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.monitor import Monitor
from htmu_diag.sinks import PageSink
from htmu_diag.voice.voice import Voice, closing_rows

CHEAP: dict[str, Any] = {"options": Options(bootstrap=0), "usual_sinks": False}


class Tied(torch.nn.Module):
    """Two matrices, one of them twice; a bias, a vector, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(40, 30)
        self.hidden = torch.nn.Linear(30, 30)
        self.head = torch.nn.Linear(30, 40, bias=False)
        self.head.weight = self.embedding.weight
        self.gate = torch.nn.Linear(30, 1)
        self.register_buffer("mask", torch.ones(4, 4))


def watched(folder: Path, **choices: Any) -> Monitor:
    model = Tied()
    return htmu_diag.watch(model, torch.optim.SGD(model.parameters(), lr=0.1), log_dir=folder, **{**CHEAP, **choices})


def first_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()[0]


def test_the_first_line_says_what_when_what_not_and_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watched(tmp_path / "a run", every={"weights": "log"}, probes=["weights", "trajectory"]).close()
    line = first_line(capsys)
    assert line.startswith("htmu_diag: measuring weights of 2 matrices at steps on a logarithmic scale, ")
    assert "trajectory every 100 steps; " in line
    assert "head.weight (tied to embedding.weight" in line
    assert "gate.weight (its smaller side 1 is below min_side=2)" in line
    assert "mask (a buffer, which is not trained)" in line
    assert "bias" not in line
    assert line.endswith(f"look: htmu show '{tmp_path / 'a run'}'")


def test_paths_are_shown_from_the_current_folder_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    watched(Path("runs/a"), include=["hidden"], every=1, sinks=[PageSink("runs/a")]).close()
    said = capsys.readouterr().err
    assert "weights of 1 matrix (hidden.weight) every step; " in said
    assert "into runs/a; look: htmu show runs/a\n" in said
    assert said.endswith("htmu_diag: page: runs/a/report.html; reasons and phases: htmu show runs/a\n")


def test_what_becomes_of_an_occupied_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watched(tmp_path).close()
    assert f"; into {tmp_path}; " in first_line(capsys)
    watched(tmp_path, start_step=7).close()
    assert f"the run in {tmp_path} goes on after step 7; what it logged later is superseded" in first_line(capsys)
    watched(tmp_path, on_exists="continue").close()
    assert f"the run that was in {tmp_path} is superseded: kept on disk, no longer shown" in first_line(capsys)
    with pytest.warns(RuntimeWarning, match="holds a run already") as caught:
        watched(tmp_path).close()
    assert caught[0].filename == __file__
    assert f"; into {tmp_path}-2; " in first_line(capsys)


def test_the_last_lines_hold_the_verdicts_of_the_newest_snapshot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with watched(tmp_path, every=1) as monitor:
        monitor.step()
        monitor.flush()
        before = random.getstate()
    assert random.getstate() == before
    assert monitor.last is not None
    lines = capsys.readouterr().err.splitlines()
    assert "htmu_diag: measured 2 times, the last time at step 1" in lines
    for diagnosis in monitor.last.diagnoses:
        [row] = [line for line in lines if line.strip().startswith(diagnosis.source.name)]
        assert row.endswith(diagnosis.verdict)


def test_a_large_model_shows_its_largest_matrices_and_counts_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = torch.nn.Sequential(*(torch.nn.Linear(4, 4 + size) for size in range(20)))
    htmu_diag.watch(model, log_dir=tmp_path, every=[0], **CHEAP).close()
    said = capsys.readouterr().err
    assert "12 of 20; all: " in said
    assert said.count(".weight") == 12


def test_the_closing_table_prefers_what_has_a_verdict_and_the_weights() -> None:
    """Large operators of which only a few values are known do not push the matrices that were judged off the table."""
    given = [("weights", 30, "random-like"), ("activations", 90, "bulk-decay"), ("weights", 8, "too few")]
    given += [("hessian", 10_000, "too few"), ("trajectory", 200, "no fit")] * 6 + [
        ("activations", 50, "bulk-decay")
    ] * 12
    rows: Any = [
        SimpleNamespace(source=SimpleNamespace(kind=kind), spectrum=SimpleNamespace(dimension=n), verdict=verdict)
        for kind, n, verdict in given
    ]
    assert [rows.index(row) for row in closing_rows(rows)] == [0, 1, *[15] * 10]
    assert closing_rows(rows[:4]) == rows[:4]


def test_verbose_false_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    watched(tmp_path, verbose=False, sinks=["page"]).close()
    assert capsys.readouterr() == ("", "")


def test_what_is_waited_for_is_said_after_a_moment_and_only_then(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Voice(tmp_path, speaks=True, moment=60.0).during("writing the page"):
        pass
    assert capsys.readouterr().err == ""
    with Voice(tmp_path, speaks=True, moment=0.0).during("writing the page"):
        time.sleep(0.1)
    assert capsys.readouterr().err == f"htmu_diag: closing {tmp_path.name}: writing the page ...\n"
    with Voice(tmp_path, speaks=False, moment=0.0).during("writing the page"):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("stream", ["closed", None])
def test_a_stream_that_cannot_be_written_stops_nothing(
    stream: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(tmp_path / "stderr", "w") as closed:
        pass
    monkeypatch.setattr(sys, "stderr", closed if stream else None)
    watched(tmp_path / "run").close()
    assert htmu_diag.load_run(tmp_path / "run").layers


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watched(tmp_path / "file" / "run").close()
    assert "nothing is stored, since " in first_line(capsys)


@pytest.mark.parametrize(
    ("choice", "meant"), [("evry", "every"), ("logdir", "log_dir"), ("criterion", "loss_fn"), ("hparams", "config")]
)
def test_a_mistyped_argument_is_answered(choice: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{choice}'; did you mean '{meant}'?"):
        htmu_diag.watch(Tied(), **{choice: 1})
