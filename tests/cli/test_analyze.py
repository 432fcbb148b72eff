"""`htmu analyze`: clean data on stdout, one line of refusal, nothing overwritten."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from htmu_diag.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Three matrices, one of them with a NaN, an empty one, and a bias."""
    torch.manual_seed(0)
    path = tmp_path / "model.safetensors"
    broken = torch.randn(20, 30)
    broken[1, 2] = math.nan
    tensors = {
        "fc1.weight": torch.randn(40, 60),
        "fc2.weight": broken,
        "fc3.weight": torch.randn(40, 40),
        "none.weight": torch.zeros(0, 5),
        "fc1.bias": torch.zeros(40),
    }
    save_file(tensors, path)
    return path


def shown(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    capsys.readouterr()
    assert main(["analyze", *arguments]) == 0
    printed = capsys.readouterr()
    return printed.out, printed.err


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["analyze", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("htmu: ")
    assert "Traceback" not in printed.err
    return printed.err


def test_json_is_one_object_on_stdout_and_nothing_else(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = shown([str(model), "--json", "--bootstrap", "0"], capsys)
    content = json.loads(out)
    assert err == ""
    assert [row["name"] for row in content["layers"]] == ["fc1.weight", "fc2.weight", "fc3.weight"]
    assert content["layers"][1]["alpha"] is None
    assert content["layers"][1]["verdict"] == "unusable"
    assert {skip["name"]: skip["reason"].split(":")[0] for skip in content["skipped"]} == {
        "fc1.bias": "one-dimensional",
        "none.weight": "empty",
    }
    assert content["summary"]["unusable"] == 1


def test_csv_has_one_line_a_matrix_and_either_s_names(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(shown([str(model), "--csv", "--tail-only"], capsys)[0])))
    assert [row["name"] for row in rows] == ["fc1.weight", "fc2.weight", "fc3.weight"]
    assert rows[1]["alpha"] == ""
    assert rows[0]["kappa"] == ""
    theirs = list(csv.DictReader(io.StringIO(shown([str(model), "--csv", "--names", "weightwatcher"], capsys)[0])))
    assert float(theirs[0]["alpha"]) == float(rows[0]["alpha"])
    assert float(theirs[0]["xmin"]) == pytest.approx(60 * float(rows[0]["xmin"]))


def test_a_table_in_a_file_is_plain_text_with_every_layer(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown([str(model)], capsys)
    lines = out.splitlines()
    assert lines[0].split()[:2] == ["layer", "shape"]
    assert lines[1].startswith("fc1.weight")
    assert any(line.startswith("unusable: fc2.weight") for line in lines)
    assert any(line.startswith("skipped: none.weight: empty") for line in lines)
    assert "\x1b" not in out


def test_out_gets_the_tables_and_a_picture_of_every_usable_matrix(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a report"
    data, said = shown([str(model), "--out", str(out), "--csv", "--bootstrap", "0"], capsys)
    assert (out / "layers.csv").read_text() == data
    assert json.loads((out / "analysis.json").read_text())["model"] == str(model)
    assert sorted(path.name for path in (out / "esd").iterdir()) == ["000-fc1.weight.png", "002-fc3.weight.png"]
    assert str(out) in said
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file() and path.name != ".lock"}
    assert "with bootstrap 0 and not 100" in refusal([str(model), "--out", str(out)], capsys)
    assert {path: path.read_bytes() for path in before} == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    assert "is not empty" in refusal([str(model), "--out", str(tmp_path / "mine")], capsys)


def bad_files(folder: Path) -> dict[str, str]:
    """Paths that hold no model -> a part of what is said about them."""
    whole = folder / "whole.safetensors"
    save_file({"a.weight": torch.randn(30, 30)}, whole)
    torch.save({"a.weight": torch.randn(30, 30)}, folder / "whole.pt")
    (folder / "cut.safetensors").write_bytes(whole.read_bytes()[:-100])
    (folder / "cut.pt").write_bytes((folder / "whole.pt").read_bytes()[:-600])
    (folder / "text.txt").write_text("alpha")
    (folder / "text.pt").write_text("alpha")
    (folder / "text.safetensors").write_text("this is a text, whatever its name says")
    (folder / "nothing.pt").write_bytes(b"")
    (folder / "empty").mkdir()
    torch.save(torch.nn.Linear(3, 3), folder / "pickle.pt")
    save_file({"a.weight": torch.zeros(0, 7)}, folder / "zero.safetensors")
    save_file({"a.weight": torch.full((9, 9), math.nan)}, folder / "nan.safetensors")
    return {
        "missing.pt": "no such file",
        "cut.safetensors": "not a whole safetensors file",
        "cut.pt": "truncated",
        "text.txt": "no checkpoint by its first bytes",
        "text.pt": "not a PyTorch file",
        "text.safetensors": "not a whole safetensors file",
        "nothing.pt": "not a PyTorch file",
        "empty": "no weights in this folder",
        "pickle.pt": "needs code to be run, which is refused",
        "zero.safetensors": "no matrix to analyse; 1 of 1 tensors: empty: shape (0, 7)",
        "nan.safetensors": "none of 1 matrices is usable; a.weight",
    }


def test_bad_input_is_refused_in_one_line_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, said in bad_files(tmp_path).items():
        assert said in refusal([str(tmp_path / name)], capsys), name
        assert str(tmp_path / name) in refusal([str(tmp_path / name)], capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json", "--csv"], "not allowed with"),
        (["--bootstrap", "-3"], "no whole number from 0 on"),
        (["--threads", "0"], "no whole number from 1 on"),
        (["--heads", "none"], "neither 'auto' nor a number"),
        (["--conv", "fold"], "invalid choice"),
        (["--device", "abacus"], "cannot be used here"),
        (["--include", "nothing*"], "matches none of include=['nothing*']"),
        (["--frobnicate"], "unrecognized arguments"),
    ],
)
def test_a_wrong_option_is_refused(
    arguments: list[str], said: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal([str(model), *arguments], capsys)


def test_a_missing_path_is_refused_before_torch_is_imported() -> None:
    code = "import sys; from htmu_diag.cli import main; print(main(['analyze', 'nothing.pt']), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["2", "False"]


def test_a_reader_that_leaves_early_is_no_error(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        assert main(["analyze", str(model), "--csv", "--tail-only"]) == 141  # as shells report SIGPIPE
    assert capsys.readouterr().err == ""
