"""Many small files become one: nothing is lost or doubled, whenever the process is killed, and readers see either."""

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.plain_files import open_plain
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store, load_run, pack, store
from htmu_diag.storage.pack import append_places, read_index
from htmu_diag.storage.segments import find_record, segments, visible_records

FAST = Options(bootstrap=0, tail_only=True)


def spectrum(step: int, n: int = 12) -> Spectrum:
    values = np.random.default_rng(step).random(n)
    return Spectrum.exact(values, Source(Kind.WEIGHTS, "fc", (n, 2 * n), step))


def write(folder: Path, steps: range, **choices: object) -> None:
    """Steps with their numbers; the store is closed."""
    with Store(folder, info={"options": vars(FAST)}, fsync=False, **choices) as writer:  # type: ignore[arg-type]
        for step in steps:
            one = spectrum(step)
            writer.write(step, [one], wall_time=float(step), scalars={"loss": 1.0 / (1 + step)})
            writer.write_numbers(step, [one], [Reading.of(diagnose(one, FAST))], FAST)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.*") if path.suffix in (".safetensors", ".pack", ".index")}


def everything(folder: Path) -> list[object]:
    run = load_run(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        records = list(run.records())
    return [
        run.steps,
        [run.spectra(step)[0].values.tobytes() for step in run.steps],
        [record.metrics() for record in records],
        run.scalars(),
        run.undiagnosed(),
    ]


def test_a_run_that_closes_is_packed_and_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "packed", range(150))
    monkeypatch.setattr(store, "FEWEST", 10**9)
    write(tmp_path / "loose", range(150))
    assert files(tmp_path / "packed") == {"records.pack", "records.index", "numbers.index"}
    assert len(files(tmp_path / "loose")) == 150
    assert everything(tmp_path / "packed") == everything(tmp_path / "loose")
    assert [s.source.step for s in load_run(tmp_path / "packed").series("fc")] == list(range(150))


def test_few_steps_stay_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, range(20))
    assert len(files(tmp_path)) == 20


def test_a_long_run_is_packed_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TOGETHER", 10)
    with Store(tmp_path, fsync=False) as writer:
        run = load_run(tmp_path)
        for step in range(35):
            writer.write(step, [spectrum(step)])
            assert run.steps == tuple(range(step + 1))
            assert run.spectra()[0].values.tobytes() == spectrum(step).values.tobytes()
        assert len(list(tmp_path.rglob("*.safetensors"))) == 5


def test_a_packed_step_that_is_measured_again_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "TOGETHER", 3)
    with Store(tmp_path, fsync=False) as writer:
        for step in (1, 2, 3):
            writer.write(step, [spectrum(step)], scalars={"a": float(step)})
        writer.write(2, [spectrum(9)], scalars={"b": 5.0})
        for step in (4, 5):  # packed once more, with the newer record of step 2
            assert len(load_run(tmp_path).spectra(2)) == 2
            writer.write(step, [spectrum(step)])
    run = load_run(tmp_path)
    assert run.steps == (1, 2, 3, 4, 5)
    assert [len(run.spectra(step)) for step in run.steps] == [1, 2, 1, 1, 1]
    assert run.scalars() == {"a": [(1, 1.0), (2, 2.0), (3, 3.0)], "b": [(2, 5.0)]}


def test_a_resumed_run_supersedes_packed_steps(tmp_path: Path) -> None:
    write(tmp_path, range(150))
    write(tmp_path, range(100, 110), start_step=100)
    run = load_run(tmp_path)
    assert run.steps == tuple(range(110))
    assert run.undiagnosed() == ()
    visible = visible_records(segments(tmp_path))
    assert {step: find_record(segments(tmp_path), step) for step in range(160)} == {
        step: visible.get(step) for step in range(160)
    }


@pytest.mark.parametrize("moment", ["half of the pack", "pack, no index", "half of an entry", "both", "some removed"])
def test_every_moment_of_packing_reads_the_same(moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The states that a kill can leave, made by hand from the loose and the packed folder."""
    write(tmp_path / "packed", range(120))
    monkeypatch.setattr(store, "FEWEST", 10**9)
    write(tmp_path / "run", range(120))
    segment, whole = (segments(tmp_path / name)[0].path for name in ("run", "packed"))
    expected = everything(tmp_path / "run")
    pack = (whole / "records.pack").read_bytes()
    (segment / "records.pack").write_bytes(pack[: len(pack) // 2] if moment.startswith("half of the pack") else pack)
    index = (whole / "records.index").read_bytes()
    if moment in ("half of an entry", "both", "some removed"):
        (segment / "records.index").write_bytes(index[: 32 * 50 + 7] if moment.startswith("half") else index)
    if moment == "some removed":
        for step in range(0, 120, 2):
            (segment / f"{step:012d}.safetensors").unlink()
    assert everything(tmp_path / "run") == expected
    monkeypatch.setattr(store, "FEWEST", 1)
    write(tmp_path / "run", range(119, 120), start_step=119)  # the next one that closes packs what is left
    assert not list(segment.glob("*.safetensors"))
    assert load_run(tmp_path / "run").steps == expected[0]
    assert [load_run(tmp_path / "run").spectra(s)[0].values.tobytes() for s in range(120)] == expected[1]


def test_a_reader_that_looked_before_the_packing_finds_the_record_after_it(tmp_path: Path) -> None:
    write(tmp_path / "run", range(99))
    run = load_run(tmp_path / "run")
    records = run.records()
    first = next(records)
    segment = segments(tmp_path / "run")[0]
    segment.pack(fewest=1, fsync=False)
    assert not list(segment.path.glob("*.safetensors"))
    assert first.spectra[0].values.tobytes() == spectrum(0).values.tobytes()
    assert [r.step for r in records] == list(range(1, 99))


def test_an_index_ends_where_its_last_whole_entry_does(tmp_path: Path) -> None:
    path = tmp_path / "index"
    append_places(path, [(1, 0, 8), (2, 8, 16)], fsync=False)
    path.write_bytes(path.read_bytes() + bytes(40))  # a lost block reads as zeros
    assert read_index(path).tolist() == [[1, 0, 8], [2, 8, 16]]
    append_places(path, [(3, 24, 8)], fsync=True)
    assert read_index(path).tolist() == [[1, 0, 8], [2, 8, 16], [3, 24, 8]]
    assert path.stat().st_size == 96


def test_numbers_of_another_file_are_not_taken_by_an_old_index(tmp_path: Path) -> None:
    write(tmp_path / "one", range(120))
    write(tmp_path / "two", range(120, 240))
    one, two = (segments(tmp_path / name)[0].path for name in ("one", "two"))
    shutil.copy(two / "numbers.jsonl", one / "numbers.jsonl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lines that are not where the index has them are said to be damaged
        assert load_run(tmp_path / "one").undiagnosed() == tuple(range(120))


def test_a_disk_that_is_full_at_the_end_leaves_the_files(tmp_path: Path) -> None:
    writer = Store(tmp_path, fsync=False)
    for step in range(120):
        writer.write(step, [spectrum(step)])
    os.mkdir(segments(tmp_path)[0].path / "records.pack")  # what cannot be appended to
    with pytest.warns(RuntimeWarning, match="records stay in a file for each step"):
        writer.close()
    assert load_run(tmp_path).steps == tuple(range(120))


def test_a_run_of_many_attempts_reads_each_index_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is resumed every hour; what is visible is what the rule says, attempt by attempt."""
    for start in (0, 3, 6, 9, 7, 10, 4):
        write(tmp_path, range(start, start + 4), start_step=start)
        segment = segments(tmp_path)[-1]
        assert segment.pack(fewest=1, fsync=False)
    opened: list[Path] = []
    monkeypatch.setattr(pack, "open_plain", lambda path: opened.append(path) or open_plain(path))
    for count in range(1, 8):
        found, visible = segments(tmp_path)[:count], {}
        for segment in found:
            visible = {step: slot for step, slot in visible.items() if not segment.supersedes(step)} | segment.records()
        assert list(visible_records(found).items()) == sorted(visible.items())
        assert all(find_record(found, step) == visible.get(step) for step in range(15))
    assert len(opened) <= 7


def test_an_index_is_read_again_only_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(pack, "open_plain", lambda path: opened.append(path) or open_plain(path))
    index = tmp_path / "records.index"
    for size in (7, 9):
        append_places(index, [(size, 0, size)], fsync=False)
        opened.clear()
        found = [read_index(index)[-1].tolist() for _ in range(3)]
        assert found == [[size, 0, size]] * 3
        assert opened == [index]
    index.unlink()
    assert not len(read_index(index))
