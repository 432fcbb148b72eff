"""A run folder is append-only, readable while it is written, and a resumed run supersedes without doubling."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htmu_diag.analysis import Options
from htmu_diag.errors import InputError, StorageError
from htmu_diag.spectrum import Kind, Spectrum
from htmu_diag.storage import Store, load_run, run_info


def test_steps_read_back_while_the_store_is_still_open(one: Spectrum, tmp_path: Path) -> None:
    run = None
    with Store(tmp_path / "run", fsync=False) as store:
        for step in (0, 100, 200):
            store.write(step, [one], wall_time=float(step), scalars={"train/loss": 1 / (1 + step)})
            run = run or load_run(tmp_path / "run")
            assert run.steps[-1] == step
            assert run.spectra()[0].values.tobytes() == one.values.tobytes()
    assert load_run(tmp_path / "run").steps == (0, 100, 200)


def test_a_reader_beside_a_writer_sees_only_complete_steps(every_kind: list[Spectrum], tmp_path: Path) -> None:
    store = Store(tmp_path, fsync=False)

    def write() -> None:
        for step in range(200):
            store.write(step, every_kind, scalars={"step": step})
            store.log(step, {"line": step})

    writer, run, seen = threading.Thread(target=write), load_run(tmp_path), 0
    writer.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while writer.is_alive():
            steps, lines = run.steps, run.scalars().get("line", [])
            assert steps == tuple(range(len(steps)))
            assert len(steps) >= seen
            assert lines == [(step, step) for step in range(len(lines))]
            assert not steps or len(run.spectra(steps[-1])) == len(every_kind)
            seen = len(steps)
    store.close()
    assert run.steps == tuple(range(200))


def test_options_of_the_live_analysis_come_back(tmp_path: Path) -> None:
    Store(tmp_path, info={"options": {"bootstrap": 7, "seed": 3, "of_a_newer_version": 1}}).close()
    assert load_run(tmp_path).options == Options(bootstrap=7, seed=3)
    Store(tmp_path, info={}).close()
    assert load_run(tmp_path).options == Options()


def test_run_json_holds_config_versions_commit_command_and_seed(tmp_path: Path) -> None:
    info = run_info({"model": {"width": 64}, "out": Path("x")}, seed=3)
    Store(tmp_path, info=info).close()
    read = json.loads((tmp_path / "run.json").read_text())
    assert read == load_run(tmp_path).info
    assert read["config"] == {"model": {"width": 64}, "out": "x"}
    assert (read["seed"], read["schema"], read["command"]) == (3, 1, sys.argv)
    assert {"htmu_diag", "python", "numpy", "safetensors"} <= set(read["versions"])


def git_in(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    call = ["git", *identity, *arguments]
    return subprocess.run(call, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_of_the_working_tree_is_recorded(tmp_path: Path) -> None:
    """On a branch, packed, detached, in a folder below, in a worktree: what git itself says."""
    main, other = tmp_path / "main", tmp_path / "other"
    (main / "below").mkdir(parents=True)
    git_in(main, "init", "-q")
    assert run_info(cwd=main)["git"] is None  # no commit yet
    git_in(main, "commit", "-q", "--allow-empty", "-m", "first")
    git_in(main, "worktree", "add", "-q", "-b", "side", str(other))
    git_in(other, "commit", "-q", "--allow-empty", "-m", "second")
    for act in ([], ["pack-refs", "--all"], ["checkout", "-q", "--detach"]):
        if act:
            git_in(main, *act)
        for folder in (main, main / "below", other):
            assert run_info(cwd=folder)["git"] == {"commit": git_in(folder, "rev-parse", "HEAD")}


@pytest.mark.parametrize("name", ["core.fsmonitor", "core.hooksPath", "core.sshCommand", "core.pager"])
def test_recording_the_commit_runs_nothing_that_the_folder_names(name: str, tmp_path: Path) -> None:
    git_in(tmp_path, "init", "-q")
    git_in(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    git_in(tmp_path, "config", name, f"touch {tmp_path / 'ran'}; false")
    assert run_info(cwd=tmp_path)["git"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("head", ["ref: ../../secret", "ref: /etc/passwd", "nothing", "ref: refs/heads/gone", ""])
def test_a_repository_that_makes_no_sense_has_no_commit(head: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert run_info(cwd=tmp_path)["git"] is None


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert run_info(cwd=tmp_path)["git"] is None


def test_a_resumed_run_supersedes_later_steps_and_keeps_their_files(one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False, info={"attempt": 1}) as store:
        for step in (0, 100, 200, 300):
            store.write(step, [one], scalars={"try": 1.0})
            store.log(step, {"loss": 1.0})
    with Store(tmp_path, fsync=False, start_step=200, info={"attempt": 2}) as store:
        run = load_run(tmp_path)
        assert run.steps == (0, 100, 200)
        store.write(200, [one], scalars={"try": 2.0})
        store.write(250, [one], scalars={"try": 2.0})
        store.log(260, {"loss": 2.0})
    assert run.steps == (0, 100, 200, 250)
    assert len(run.spectra(200)) == 1
    assert run.scalars() == {
        "try": [(0, 1.0), (100, 1.0), (200, 2.0), (250, 2.0)],
        "loss": [(0, 1.0), (100, 1.0), (200, 1.0), (260, 2.0)],
    }
    assert run.info == {"attempt": 2}
    assert len(list(tmp_path.rglob("*.safetensors"))) == 6


def test_the_step_of_resumption_keeps_the_kinds_that_are_not_measured_again(
    every_kind: list[Spectrum], one: Spectrum, tmp_path: Path
) -> None:
    with Store(tmp_path, fsync=False) as store:
        store.write(200, every_kind, scalars={"a": 1.0, "b": 1.0}, events=["of the first attempt"])
    with Store(tmp_path, fsync=False, start_step=200) as store:
        store.write(200, [one], scalars={"a": 2.0})
        store.write(300, [one])
    run = load_run(tmp_path)
    others = [s.source for s in every_kind if s.source.kind is not Kind.WEIGHTS]
    assert [s.source for s in run.spectra(200)] == [one.source, *others]
    assert run.scalars() == {"a": [(200, 2.0)], "b": [(200, 1.0)]}
    assert len(run.spectra(300)) == 1
    assert run.events() == []


def test_a_run_that_starts_at_zero_in_an_old_folder_is_a_new_run(one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        store.write(0, [one])
        store.log(0, {"loss": 1.0})
    Store(tmp_path, fsync=False).close()
    assert load_run(tmp_path).steps == ()
    assert load_run(tmp_path).scalars() == {}


def test_three_attempts_leave_each_step_once(tmp_path: Path) -> None:
    for attempt, start in enumerate((0, 20, 10)):
        with Store(tmp_path, fsync=False, start_step=start) as store:
            for step in range(start, start + 30, 10):
                store.write(step, scalars={"attempt": attempt})
    assert load_run(tmp_path).scalars()["attempt"] == [(0, 0), (10, 2), (20, 2), (30, 2)]


STEPS = st.lists(st.integers(0, 6), max_size=4)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), STEPS, STEPS), max_size=4))
def test_any_history_of_attempts_reads_like_a_dictionary(attempts: list[tuple[int, list[int], list[int]]]) -> None:
    records: dict[int, float] = {}
    logged: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        Store(folder, fsync=False).close()
        for attempt, (start, steps, lines) in enumerate(attempts):
            with Store(folder, fsync=False, start_step=start) as store:
                records = {step: value for step, value in records.items() if step <= start > 0}
                logged = {step: value for step, value in logged.items() if step <= start > 0}
                for step in steps:
                    store.write(start + step, scalars={"record": attempt})
                    records[start + step] = attempt
                for step in lines:
                    store.log(start + step, {"line": attempt})
                    logged[start + step] = attempt
        run = load_run(folder)
        assert run.steps == tuple(sorted(records))
        curves = run.scalars()
    assert curves.get("record", []) == sorted(records.items())
    assert curves.get("line", []) == sorted(logged.items())


def test_a_second_write_of_a_step_adds_to_its_record(every_kind: list[Spectrum], tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        store.write(3, every_kind[:1], wall_time=1.0, scalars={"a": 1.0}, events=["first"])
        store.write(3, every_kind[1:], wall_time=2.0, scalars={"b": 2.0}, events=["second"])
    run = load_run(tmp_path)
    assert [s.source for s in run.spectra(3)] == [s.source for s in every_kind]
    assert run.scalars() == {"a": [(3, 1.0)], "b": [(3, 2.0)]}
    assert run.events() == [(3, "first"), (3, "second")]


def test_series_follow_one_layer_of_one_kind(every_kind: list[Spectrum], tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        for step in (0, 5):
            store.write(step, [s.at_step(step) for s in every_kind])
        store.write(9, [every_kind[0].at_step(9)])
    run = load_run(tmp_path)
    assert [s.source.step for s in run.series("fc1.weight")] == [0, 5, 9]
    assert [s.source.step for s in run.series("model", "hessian")] == [0, 5]
    assert run.names() == ("fc1.weight", "empty")
    assert run.names(Kind.NTK) == ("model",)


def test_a_layer_or_kind_that_the_run_lacks_is_refused_with_the_near_name(
    every_kind: list[Spectrum], tmp_path: Path
) -> None:
    with Store(tmp_path, fsync=False) as store:
        assert load_run(tmp_path).series("fc1.weight") == []  # nothing is measured yet: it may still come
        store.write(0, [s.at_step(0) for s in every_kind])
    run = load_run(tmp_path)
    for asked in (run.series, run.verdicts):
        with pytest.raises(InputError, match=r"fc1\.wieght: not among the layers.*did you mean 'fc1\.weight'"):
            asked("fc1.wieght")
        with pytest.raises(InputError, match="hesian: no spectra of that kind in this run; did you mean 'hessian'"):
            asked("model", "hesian")


@pytest.mark.parametrize("end", [0, 5, 8, 60, -60, -1])
def test_a_torn_record_is_dropped_with_one_warning(end: int, one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        for step in (1, 2, 3):
            store.write(step, [one])
    torn = next(tmp_path.rglob("*2.safetensors"))
    torn.write_bytes(torn.read_bytes()[:end])
    run = load_run(tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert run.steps == run.steps == (1, 3)
        assert len(run.series("fc1.weight")) == 2
    assert [str(w.message)[:26] for w in said] == ["dropped a damaged record: "]
    assert list(run.dropped) == [torn]


def test_a_step_whose_record_is_torn_is_not_among_those_that_are_named(one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        for step in (1, 2, 3):
            store.write(step, [one])
    torn = next(tmp_path.rglob("*3.safetensors"))
    torn.write_bytes(torn.read_bytes()[:60])
    with (
        pytest.warns(RuntimeWarning, match="dropped a damaged record"),
        pytest.raises(StorageError, match="no record of step 3; recorded steps: 1 to 2$"),
    ):
        load_run(tmp_path).spectra(3)


def test_damaged_values_are_dropped_from_a_series_and_refused_for_their_step(one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        for step in (1, 2):
            store.write(step, [one.at_step(step)])
    path = next(tmp_path.rglob("*1.safetensors"))
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    run = load_run(tmp_path)
    with pytest.warns(RuntimeWarning, match="does not match its checksum"):
        assert [s.source.step for s in run.series("fc1.weight")] == [2]
    with pytest.raises(StorageError, match="does not match its checksum"):
        run.spectra(1)


def test_an_unfinished_log_line_is_left_out_and_a_damaged_one_said(tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        for step in (1, 2, 3):
            store.log(step, {"loss": float(step)})
    path = next(tmp_path.rglob("scalars.jsonl"))
    first, second, third = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, second, third[:-4]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_run(tmp_path).scalars() == {"loss": [(1, 1.0), (2, 2.0)]}
    path.write_bytes(b"\n".join([first, bytes(20), third, b""]))
    with pytest.warns(RuntimeWarning, match="damaged line 2"):
        assert load_run(tmp_path).scalars() == {"loss": [(1, 1.0), (3, 3.0)]}


def test_what_a_killed_process_was_writing_is_swept_away(one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        store.write(1, [one])
    folder = next(tmp_path.rglob("*1.safetensors")).parent
    (folder / ".000000000002.safetensors.writing").write_bytes(b"half")
    assert load_run(tmp_path).steps == (1,)
    Store(tmp_path, fsync=False, start_step=2).close()
    assert not list(tmp_path.rglob("*.safetensors.writing"))


def test_missing_runs_and_steps_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no run here"):
        load_run(tmp_path / "nothing")
    Store(tmp_path, fsync=False).close()
    with pytest.raises(StorageError, match="recorded steps: none yet"):
        load_run(tmp_path).spectra()
    with Store(tmp_path, fsync=False) as store:
        store.write(4)
        with pytest.raises(InputError, match="step -1 is negative"):
            store.write(-1)
    with pytest.raises(StorageError, match="no record of step 7; recorded steps: 4 alone"):
        load_run(tmp_path).diagnose(7)


def test_a_thousand_layers_come_back(tmp_path: Path, one: Spectrum) -> None:
    layers = [Spectrum.exact([1.0, 2.0], type(one.source)(Kind.WEIGHTS, f"h.{i}", (2, 3), 0)) for i in range(1000)]
    with Store(tmp_path, fsync=False) as store:
        store.write(0, layers)
    assert [s.source.name for s in load_run(tmp_path).spectra(0)] == [s.source.name for s in layers]


def test_the_folder_keeps_records_in_the_order_of_steps(tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        for step in (5, 1000, 20):
            store.write(step)
    names = sorted(os.listdir(next(tmp_path.rglob("*.safetensors")).parent))
    assert [int(name.split(".")[0]) for name in names if name.endswith("safetensors")] == [5, 20, 1000]
