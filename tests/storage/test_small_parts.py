"""An index that is not there, a holder by any descriptor, folders that go on, options that cannot be."""

import os
from pathlib import Path
from typing import Any

import pytest

from htmu_diag.analysis import Options
from htmu_diag.storage.flock import Flock
from htmu_diag.storage.information import RunInformation
from htmu_diag.storage.pack import read_index
from htmu_diag.storage.shared_store import LAYERS, SERIES, goes_on


def test_a_missing_index_has_no_places_of_three_numbers(tmp_path: Path) -> None:
    assert read_index(tmp_path / "records.index").shape == (0, 3)


def test_a_lock_may_have_the_descriptor_of_a_closed_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon has closed 0, and the next file that is opened is that."""
    lock = Flock(tmp_path / ".lock")
    assert lock.holder() == ""
    monkeypatch.setattr(os, "pread", lambda descriptor, count, offset: f"holder {descriptor}".encode())
    monkeypatch.setattr(lock, "_descriptor", 0)
    assert lock.held
    assert lock.holder() == "holder 0"
    monkeypatch.setattr(lock, "_descriptor", -1)


def test_a_folder_with_layers_of_a_series_goes_on_and_others_do_not(tmp_path: Path) -> None:
    assert not goes_on(tmp_path)
    (tmp_path / LAYERS).mkdir()
    assert not goes_on(tmp_path)
    (tmp_path / LAYERS / SERIES).write_text("{}")
    assert goes_on(tmp_path)


@pytest.mark.parametrize(
    "entry", [{"seed": 2**63}, {"seed": -1}, {"hold": 0}, {"bootstrap": 100_001}, {"tail_only": 1}]
)
def test_an_option_that_cannot_be_costs_itself(entry: dict[str, Any]) -> None:
    """One of a file that anybody may have edited; the others are taken."""
    with pytest.warns(RuntimeWarning, match=f"cannot be: {next(iter(entry))}; their defaults are taken"):
        assert RunInformation().options({"magnitudes": True, **entry}) == Options(magnitudes=True)
