"""Whoever writes into a run folder that somebody else made writes nowhere else."""

import os
from pathlib import Path

import pytest

from htmu_diag.errors import StorageError
from htmu_diag.files import append, own_folder, write_atomically
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage import Store, load_run


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.txt"
    path.write_text("mine")
    return path


@pytest.fixture
def run(tmp_path: Path, one: Spectrum) -> Path:
    with Store(tmp_path / "run", fsync=False) as store:
        store.write(1, [one])
    return tmp_path / "run"


def test_a_lock_that_is_a_link_is_refused(run: Path, mine: Path) -> None:
    (run / ".lock").unlink()
    (run / ".lock").symlink_to(mine)
    with pytest.raises(StorageError, match="a link, which is not followed"):
        Store(run, start_step=1)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("name", ["spectra", "spectra/0000-from-0"])
def test_a_folder_that_is_a_link_is_refused(name: str, run: Path, tmp_path: Path) -> None:
    (run / name).rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / ".x.writing").write_text("mine")
    (run / name).symlink_to(tmp_path / "elsewhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError, match="a link, and nothing is written through links"):
        Store(run, start_step=1)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "elsewhere" / ".x.writing").exists()
    Store(run.with_name("other"), fsync=False).close()


def test_a_half_made_segment_is_started_afresh(run: Path, mine: Path, tmp_path: Path, one: Spectrum) -> None:
    half = run / "spectra" / ".0001-from-1.writing"
    half.mkdir()
    for name in ("scalars.jsonl", "numbers.jsonl", ".run.json.writing", "run.json"):
        (half / name).symlink_to(mine)
    with Store(run, start_step=1, fsync=False) as store:
        store.log(2, {"loss": 1.0})
        store.write(2, [one])
    assert mine.read_text() == "mine"
    assert load_run(run).scalars() == {"loss": [(2, 1.0)]}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (run / "spectra" / ".0002-from-2.writing").symlink_to(elsewhere)
    Store(run, start_step=2, fsync=False).close()
    assert list(elsewhere.iterdir()) == []


def test_a_temporary_name_that_is_a_link_is_replaced(run: Path, mine: Path, one: Spectrum) -> None:
    with Store(run, start_step=1, fsync=False) as store:
        segment = run / "spectra" / "0001-from-1"
        (segment / ".000000000002.safetensors.writing").symlink_to(mine)
        (segment / "scalars.jsonl").symlink_to(mine)
        store.write(2, [one])
        with pytest.raises(StorageError, match="a link, which is not followed"):
            store.log(2, {"loss": 1.0})
    assert mine.read_text() == "mine"
    assert load_run(run).steps == (1, 2)


def test_files_are_never_written_through_links(tmp_path: Path, mine: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(mine)
    with pytest.raises(StorageError, match="a link"):
        append(link, b"more")
    with pytest.raises(StorageError, match="a link"):
        own_folder(link)
    write_atomically(link, b"other")
    assert not link.is_symlink()
    assert (link.read_text(), mine.read_text()) == ("other", "mine")


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, one: Spectrum, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store("runs/x", fsync=False) as store:
        store.write(1, [one])
        run = load_run("runs/x")
        (tmp_path / "other").mkdir()
        os.chdir(tmp_path / "other")
        store.write(2, [one])
        assert run.steps == (1, 2)
    assert list((tmp_path / "other").iterdir()) == []
