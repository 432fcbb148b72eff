"""An analysis of one checkpoint that was killed goes on with the matrices that are left."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from htmu_diag.analysis import Options
from htmu_diag.cli import main
from htmu_diag.errors import InputError, StorageError
from htmu_diag.offline import analyze, measure
from htmu_diag.report.strict_json import json_text
from tests.equal import same

QUICK = Options(bootstrap=5)
NAMES = ["a.weight", "b.weight", "c.weight", "d.weight"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    tensors = {name: torch.randn(40, 50 + place) for place, name in enumerate(NAMES)}
    tensors["b.weight"][0, 0] = torch.nan
    torch.save(tensors, tmp_path / "checkpoint-500.pt")
    return tmp_path / "checkpoint-500.pt"


@pytest.fixture
def decomposed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The matrices whose spectra are computed, in order; each is a group of its own, diagnosed alone."""
    monkeypatch.setattr(measure, "_MOST_TOGETHER", 1)
    names: list[str] = []
    whole = measure._spectrum

    def noted(matrix: measure.Matrix, choices: measure.Choices) -> object:
        names.append(matrix.name)
        return whole(matrix, choices)

    monkeypatch.setattr(measure, "_spectrum", noted)
    return names


class Killed(BaseException):
    pass


def kill_after(count: int) -> object:
    def progress(at: object) -> None:
        if at.done == count:  # type: ignore[attr-defined]
            raise Killed

    return progress


def test_a_killed_analysis_goes_on_and_says_the_same(model: Path, tmp_path: Path, decomposed: list[str]) -> None:
    for count in (2, 3):
        with pytest.raises(Killed):
            analyze(model, options=QUICK, parts=tmp_path / "out", progress=kill_after(count))  # type: ignore[arg-type]
    again = analyze(model, options=QUICK, parts=tmp_path / "out")
    assert decomposed == NAMES
    fresh = analyze(model, options=QUICK)
    assert json_text(again.rows()) == json_text(fresh.rows())
    assert (again.step, again.diagnoses[0].source.step, again.diagnoses[0].spectrum.source.step) == (500, 500, 500)
    assert again.unusable == fresh.unusable
    assert same(again.diagnoses[0].tail, fresh.diagnoses[0].tail)


def test_a_group_that_was_interrupted_is_measured_again_and_nothing_else(
    model: Path, tmp_path: Path, decomposed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "_MOST_TOGETHER", 2)
    with pytest.raises(Killed):
        analyze(model, options=QUICK, parts=tmp_path / "out", progress=kill_after(3))  # type: ignore[arg-type]
    before = list(decomposed)
    again = analyze(model, options=QUICK, parts=tmp_path / "out")
    assert before == NAMES
    assert decomposed == [*NAMES, NAMES[3]]
    assert json_text(again.rows()) == json_text(analyze(model, options=QUICK).rows())


def test_a_damaged_part_is_made_again(model: Path, tmp_path: Path, decomposed: list[str]) -> None:
    analyze(model, options=QUICK, parts=tmp_path / "out")
    (part,) = tmp_path.rglob("000000000002.safetensors")
    part.write_bytes(part.read_bytes()[:-3])
    analyze(model, options=QUICK, parts=tmp_path / "out")
    assert decomposed == [*NAMES, "c.weight"]


def test_only_the_same_call_goes_on(model: Path, tmp_path: Path) -> None:
    tail = Options(tail_only=True)
    analyze(model, options=tail, parts=tmp_path / "out")
    with pytest.raises(StorageError, match="min_side 2 and not 3; give its own choices"):
        analyze(model, options=tail, min_side=3, parts=tmp_path / "out")
    torch.save({"a.weight": torch.randn(40, 60)}, model)
    with pytest.raises(StorageError, match="files of the checkpoint"):
        analyze(model, options=tail, parts=tmp_path / "out")
    with pytest.raises(InputError, match="pass its path"):
        analyze(torch.nn.Linear(30, 40), parts=tmp_path / "other")


def test_the_same_command_again_writes_the_same(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    command = ["analyze", str(model), "--tail-only", "--include", "a.*", "--out", out]
    written = []
    for _ in range(2):
        assert main(command) == 0
        written.append((tmp_path / "out" / "analysis.json").read_bytes())
    assert written[0] == written[1]
    (tmp_path / "steps").mkdir()
    model.rename(tmp_path / "steps" / "step_5.pt")
    assert main(["analyze", str(tmp_path / "steps"), "--tail-only", "--out", out]) == 2
    assert "holds the analysis of one checkpoint" in capsys.readouterr().err
