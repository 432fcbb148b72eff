"""Several processes give the bytes of one, and none of them waits for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from htmu_diag.cli import main
from htmu_diag.offline import analyze
from htmu_diag.report.strict_json import json_text
from tests import warm
from tests.offline.rank_jobs import TAIL, network

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
CSV = ["--csv", "--bootstrap", "10"]


@dataclass(frozen=True)
class Rank:
    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Matrices of several shapes, some small and equal ones, one with a NaN."""
    torch.manual_seed(0)
    tensors = {f"{i}.weight": torch.randn(40 + 8 * (i % 3), 60) for i in range(6)}
    tensors |= {f"head{i}": torch.randn(12, 16) for i in range(4)}
    tensors["head1"][0, 0] = float("nan")
    file = tmp_path_factory.mktemp("ranks") / "model.pt"
    torch.save(tensors, file)
    return file


@pytest.fixture(scope="module")
def jobs(path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Rank]]:
    """What each rank of each job printed, and its exit code; the limit for a silent rank is 3 s."""
    quick = ["--csv", "--tail-only", "--limit", "3"]
    wanted = {
        "one": (1, "work", [str(path), *CSV]),
        "three": (3, "work", [str(path), *CSV]),
        "raise": (2, "raise", [str(path), *quick]),
        "hang": (2, "hang", [str(path), *quick]),
        "sharded": (2, "sharded", []),
        "missing": (2, "work", [str(path.with_name("missing.pt")), *quick]),
    }
    return ran(tmp_path_factory.mktemp("jobs"), wanted)


def ran(folder: Path, wanted: dict[str, tuple[int, str, list[str]]]) -> dict[str, list[Rank]]:
    """Jobs, all at once. wanted: ranks, what the second of them does, and arguments, by name."""
    listed = [
        {"folder": str(folder / name), "world": world, "how": how, "arguments": ["analyze", *arguments]}
        for name, (world, how, arguments) in wanted.items()
    ]
    for name in wanted:
        (folder / name).mkdir()
    (folder / "jobs.json").write_text(json.dumps(listed))
    done = warm.run("-m", "tests.offline.rank_jobs", str(folder / "jobs.json"), env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return {name: [read(folder / name, rank) for rank in range(world)] for name, (world, _, _) in wanted.items()}


def read(folder: Path, rank: int) -> Rank:
    code, out, err = ((folder / f"{what}-{rank}").read_text() for what in ("code", "out", "err"))
    return Rank(int(code), out, err)


def test_tables_are_the_same_bytes_for_one_and_three_ranks(
    jobs: dict[str, list[Rank]], path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(path), *CSV]) == 0
    alone = capsys.readouterr().out
    assert alone.count("\n") == 11
    assert jobs["one"] == [Rank(0, alone, "")]
    assert jobs["three"] == [Rank(0, alone, ""), Rank(0, "", ""), Rank(0, "", "")]  # rank 0 alone speaks


def test_torchrun_starts_a_job_again_whose_rank_was_killed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its agent's store (rendezvous c10d) outlives the attempt; the bytes are those of one process."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    command = [*torchrun, "-m", "tests.offline.torchrun_rank", "analyze", str(path), *CSV]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, text=True, timeout=200, check=True)
    assert "exitcode: -9" in done.stderr
    assert main(["analyze", str(path), *CSV]) == 0
    assert done.stdout == capsys.readouterr().out


@pytest.mark.parametrize(
    ("how", "said"),
    [("raise", "htmu: rank 1: a fit went wrong"), ("hang", "htmu: rank 1 gave no sign of life for 3 s")],
)
def test_a_rank_that_fails_ends_the_job_with_a_sentence(how: str, said: str, jobs: dict[str, list[Rank]]) -> None:
    first = jobs[how][0]
    assert first.code == 2
    assert first.out == ""
    assert first.err.startswith(said)
    assert first.err.count("\n") == 1


def test_sharded_parameters_are_gathered_and_shared(jobs: dict[str, list[Rank]]) -> None:
    alone = json_text(analyze(network(), options=TAIL).rows())
    first, second = (json.loads(rank.out) for rank in jobs["sharded"])
    assert first == json.loads(alone)
    assert 0 < len(second) < len(first)
    assert all(row in first for row in second)


def test_bad_input_is_told_once_by_rank_0(jobs: dict[str, list[Rank]]) -> None:
    first, second = jobs["missing"]
    assert first.err.endswith("no such file or folder; check the path\n")
    assert first.err.count("\n") == 1
    assert second == Rank(2, "", "")
    assert first.code == 2


def test_a_rank_that_is_killed_costs_nothing_that_is_done(path: Path, tmp_path: Path) -> None:
    quick = [str(path), "--tail-only", "--include", "?.weight"]
    out, whole = tmp_path / "out", tmp_path / "whole"
    again = [*quick, "--limit", "3", "--out", str(out)]
    first, second = ran(tmp_path, {"killed": (2, "kill", again)})["killed"]
    assert (first.code, second.code) == (2, -9)
    assert "rank 1 gave no sign of life for 3 s" in first.err
    kept = {part: part.stat().st_mtime_ns for part in out.rglob("*.safetensors")}
    assert len(kept) == 4  # all of the first rank's, one of the second's
    assert [rank.code for rank in ran(tmp_path, {"again": (2, "work", again)})["again"]] == [0, 0]
    assert {part: part.stat().st_mtime_ns for part in kept} == kept
    assert main(["analyze", *quick, "--out", str(whole)]) == 0
    assert (out / "analysis.json").read_bytes() == (whole / "analysis.json").read_bytes()
    assert (out / "layers.csv").read_bytes() == (whole / "layers.csv").read_bytes()
