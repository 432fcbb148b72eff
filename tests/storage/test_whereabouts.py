"""A folder that holds no run is answered with the runs near it."""

from __future__ import annotations

from pathlib import Path

import pytest

import htmu_diag
from htmu_diag.errors import InputError, StorageError
from htmu_diag.storage.whereabouts import no_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("first", "second"):
        (tmp_path / "runs" / name / "spectra").mkdir(parents=True)
    (tmp_path / "runs" / "fist").mkdir()  # no run
    return tmp_path / "runs"


def test_the_runs_in_a_folder_are_named(runs: Path) -> None:
    assert no_run(runs).endswith("pass one of the runs in it: first, second")
    for number in range(9):
        (runs / f"more{number}" / "spectra").mkdir(parents=True)
    assert no_run(runs).endswith("first, more0, more1, more2 and 7 more")


def test_the_runs_of_a_sweep_are_named(runs: Path) -> None:
    assert no_run(runs.parent).endswith("pass one of the runs in it: runs/first, runs/second")


def test_a_near_run_beside_it_is_asked_for(runs: Path) -> None:
    with pytest.raises(StorageError, match=f"did you mean '{runs / 'second'}'"):
        htmu_diag.load_run(runs / "secnd")
    assert "pass the log_dir of a run" in no_run(runs / "qqq")
    assert "pass the log_dir of a run" in no_run(runs.parent / "nowhere" / "deep")


def test_a_run_that_is_analysed_is_sent_to_show(runs: Path) -> None:
    with pytest.raises(InputError, match=r"spectra and without weights; htmu show .*first"):
        htmu_diag.analyze(runs / "first")
