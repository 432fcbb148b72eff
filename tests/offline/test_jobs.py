"""Processes that share the matrices of a checkpoint change no bit of what is found, and one that dies costs its own."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from htmu_diag import analyze
from htmu_diag.analysis import Options
from htmu_diag.cli import main
from htmu_diag.errors import InputError
from htmu_diag.matrices import Inventory, Matrix, matrices
from htmu_diag.offline import jobs
from htmu_diag.offline.analyze import Progress
from htmu_diag.offline.jobs import in_processes
from htmu_diag.offline.measure import Choices, groups_of, measured
from tests import warm
from tests.forked import IMPORTED

CHEAP = Options(bootstrap=2)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Small ones that are decomposed together, larger ones, and one that is NaN."""
    torch.manual_seed(0)
    weights = {f"small.{i}.weight": torch.randn(12, 20) for i in range(5)}
    weights |= {f"large.{i}.weight": torch.randn(40, 30 + i) for i in range(3)}
    weights["bad.weight"] = torch.full((8, 9), float("nan"))
    save_file(weights, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.mark.slow
def test_two_processes_find_what_one_finds(checkpoint: Path) -> None:
    seen: list[Progress] = []
    one, two = (analyze(checkpoint, jobs=number, options=CHEAP, progress=seen.append) for number in (1, 2))
    assert str(one.rows()) == str(two.rows())  # floats are written to the last bit, and NaN equals NaN
    for alone, shared in zip(one.diagnoses, two.diagnoses, strict=True):
        assert (alone.spectrum.values == shared.spectrum.values).all()
    assert [layer.reason for layer in one.unusable] == [layer.reason for layer in two.unusable] != []
    assert [p.done for p in seen] == [*range(1, 10)] * 2
    assert seen[-1].share == pytest.approx(1.0)


def test_no_process_is_no_number_of_processes(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="jobs is 0; use at least 1"):
        analyze(checkpoint, jobs=0)


def test_only_a_command_s_own_process_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "is_own_process", lambda: True)
    starts = [jobs._start(choices) for choices in (Choices(), Choices(threads=2), Choices(device="cpu"))]
    assert starts == ["fork", "spawn", "spawn"]
    monkeypatch.undo()
    assert jobs._start(Choices()) == "spawn"  # pytest's process is pytest's


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_processes_forked_by_the_command_find_what_one_finds(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["analyze", str(checkpoint), "--include", "large.[01]*", "--json", "--bootstrap", "2"]
    forked = warm.run("-m", "htmu_diag", *command, "--jobs", "2")
    assert main([*command, "--jobs", "1"]) == 0
    assert forked.stdout == capsys.readouterr().out != ""


def test_one_of_each_shape_that_comes_often_is_measured_before_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(jobs, "layers_of", lambda given, choices: seen.append(given[0].shape))
    sizes = [(9, 7)] * 5 + [(6, 8)] * 4 + [(5, 3)] * 6
    listed = matrices(torch.nn.Sequential(*(torch.nn.Linear(columns, rows) for rows, columns in sizes)))
    jobs._prepare(listed, range(len(listed)), Choices(), 2)
    assert sorted(seen) == [(5, 3), (9, 7)]


def test_no_process_takes_more_than_32_matrices_at_once() -> None:
    listed = matrices(torch.nn.Sequential(*(torch.nn.Linear(3, 4) for _ in range(70))))
    groups = groups_of(listed, range(70), batched=True)
    assert [len(group) for group in groups] == [32, 32, 6]
    assert [place for group in groups for place in group] == list(range(70))


def _ending() -> torch.Tensor:
    os._exit(9)  # as where the kernel ends it


def deadly() -> Inventory:
    """Three matrices, of which the second ends the process that reads it."""
    torch.manual_seed(0)
    plain = matrices(torch.nn.Sequential(*(torch.nn.Linear(150 + 10 * i, 140) for i in range(3))))
    first, second, third = plain.matrices
    return Inventory((first, Matrix(second.name, second.shape, second.role, second.name, _ending), third), ())


@pytest.mark.slow
def test_a_process_that_is_ended_costs_the_matrix_that_it_was_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_START", "forkserver")  # four processes: torch is imported for them once
    multiprocessing.set_forkserver_preload(IMPORTED)
    choices = Choices(Options(tail_only=True))
    found = dict(in_processes(deadly(), deadly, choices, 2, range(len(deadly()))))
    assert sorted(found) == [0, 1, 2]
    assert "out of memory" in found[1].reason
    inventory = deadly()
    for place, layer in measured(Inventory((inventory.matrices[0], inventory.matrices[2]), ()), {0, 1}, choices):
        other = found[2 * place].diagnosis
        assert layer.diagnosis is not None
        assert other is not None
        assert layer.diagnosis.tail.alpha == other.tail.alpha


def shown(folder: Path) -> dict[str, bytes]:
    """What was written for the user, by name."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".layers" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 100
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="children are listed in /proc")
def test_a_killed_command_leaves_no_process_and_goes_on(checkpoint: Path, tmp_path: Path) -> None:
    command = ["analyze", str(checkpoint), "--include", "large.*", "--bootstrap", "2", "--out"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = warm.Process("-m", "htmu_diag", *command, str(killed), "--jobs", "2")
    until(lambda: list(killed.rglob("*.safetensors")))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    until(lambda: not any(Path("/proc", child).exists() for child in children))
    assert len(children) >= 2
    assert main([*command, str(killed)]) == main([*command, str(whole)]) == 0
    assert shown(killed) == shown(whole)
