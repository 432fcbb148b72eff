"""``htmu doctor`` finds what is there, what is missing and what is wrong, and says so by its exit code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from htmu_diag import __version__, doctor
from htmu_diag.cli import main


def states(folder: Path) -> dict[str, tuple[str, str]]:
    return {one.about: (one.state, one.said) for one in doctor.findings(folder)}


def test_a_whole_installation_has_nothing_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--folder", str(tmp_path / "not yet" / "there")]) == 0
    said = capsys.readouterr().out
    assert f"{__version__} in " in said
    assert "finds the Spectra tab" in said
    assert f"{tmp_path / 'not yet' / 'there'} can be written" in said
    assert not (tmp_path / "not yet").exists()


def test_without_torch_reading_works_and_measuring_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = states(tmp_path)
    assert found["torch"][0] == "note"
    assert "pip install 'htmu_diag[torch]'" in found["torch"][1]
    assert "wrong" not in {state for state, _ in found.values()}


def test_what_is_wrong_is_told_and_is_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(doctor, "entry_points", lambda group: [])
    found = states(tmp_path / "file" / "runs")
    assert found["tensorboard"][0] == found["folder"][0] == "wrong"
    assert main(["doctor", "--folder", str(tmp_path)]) == 1
    assert "wrong  tensorboard" in capsys.readouterr().out
