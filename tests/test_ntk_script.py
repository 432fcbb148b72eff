"""scripts/ntk_spectra.py does what its docstring says, on a few digits."""

from __future__ import annotations

import csv
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import htmu_diag

pytestmark = pytest.mark.skipif(find_spec("sklearn") is None, reason="needs scikit-learn")
SCRIPT = Path(__file__).parents[1] / "scripts" / "ntk_spectra.py"


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *options])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def test_it_trains_and_leaves_a_picture_a_table_and_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = ("--samples", "41", "--epochs", "8", "--outputs", "pseudo")
    options = ("--data", "digits", "--models", "resnet9", *sizes, "--out", str(tmp_path))
    run(monkeypatch, *options)
    found = htmu_diag.load_run(tmp_path / "resnet9")
    accuracies = dict(found.scalars()["train/accuracy"])
    assert found.steps == (0, 8)
    assert accuracies[8] > accuracies[0] + 0.2
    assert found.probe_batch["inputs"].shape == (41, 3, 32, 32)
    rows = list(csv.DictReader((tmp_path / "fits.csv").open()))
    assert [row["step"] for row in rows] == ["0", "8"]
    assert {"kappa", "inverse_gamma_shape", "inverse_gamma_ks"} <= rows[0].keys()
    picture = tmp_path / "ntk_spectra.png"
    before = picture.read_bytes()
    picture.unlink()
    run(monkeypatch, *options, "--redraw")
    assert picture.read_bytes() == before


def test_missing_data_is_one_sentence_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="fetch it with: htmu fetch cifar10 --root") as ending:
        run(monkeypatch, "--data", "cifar10", "--root", str(tmp_path / "none"), "--out", str(tmp_path))
    assert ending.value.code.startswith("CIFAR-10 is not complete")
