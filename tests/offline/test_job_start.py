"""When processes share a file's matrices, and that they are started without a look into the current folder."""

import multiprocessing
import os
import sys
from pathlib import Path

import pytest
import torch

from htmu_diag.analysis import Options
from htmu_diag.matrices import matrices
from htmu_diag.offline import jobs
from htmu_diag.offline.measure import Choices


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is of Python 3.11")
def test_a_spawned_process_runs_no_module_of_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("multiprocessing", "pickle", "runpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(jobs._SAFE, raising=False)
    process = multiprocessing.get_context("spawn").Process(target=int)
    with jobs._starting_elsewhere():
        process.start()
    process.join(60)
    assert process.exitcode == 0
    assert not (tmp_path / "ran").exists()
    assert jobs._SAFE not in os.environ


def test_tables_of_many_aspect_ratios_are_worth_a_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_start", lambda _: "fork")
    many, one = (
        matrices(torch.nn.Sequential(*(torch.nn.Linear(24, 64 + step * k) for k in range(60)))) for step in (12, 0)
    )
    assert jobs.worth(many, Choices())
    assert not jobs.worth(one, Choices())
    assert not jobs.worth(many, Choices(Options(tail_only=True)))
