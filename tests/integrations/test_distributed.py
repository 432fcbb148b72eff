"""Two ranks give the spectra of one process, and never wait for each other without end."""

import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from htmu_diag.ranks import heartbeat as signs_module
from htmu_diag.ranks.heartbeat import Heartbeat
from htmu_diag.ranks.snapshot import Ranks
from htmu_diag.storage import FolderLocked, Run, load_run
from tests.integrations import workers

pytestmark = pytest.mark.xdist_group("ranks")  # one process to fork from


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same training on one process with the whole batch."""
    folder = tmp_path_factory.mktemp("alone")
    model = workers.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with workers.watch(model, optimizer, log_dir=folder, every=2, probes=["weights", "trajectory"]):
        workers.train(model, optimizer, -1, 4)
    return load_run(folder)


@pytest.mark.parametrize("job", [workers.ddp, workers.sharded])
def test_two_ranks_give_the_spectra_of_one_process(job: workers.Job, alone: Run, tmp_path: Path) -> None:
    workers.launch(job, tmp_path)
    together = load_run(tmp_path / "run")
    assert together.steps == alone.steps == (0, 2, 4)
    assert not together.events()
    for step in together.steps:
        ours, theirs = together.spectra(step), alone.spectra(step)
        assert [s.source for s in ours] == [s.source for s in theirs]
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one.values, other.values, rtol=1e-4, atol=1e-9)


def trained_alone(folder: Path, rank: int, probes: Sequence[Any]) -> Run:
    """One process with the whole batch, and with a rank's probe batch (-1: the whole)."""
    model = workers.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    choices = {**workers.CHOICES, **workers.probe_batch(rank)}
    with workers.watch(model, optimizer, log_dir=folder, probes=probes, **choices):
        workers.train(model, optimizer, -1, 2)
    return load_run(folder)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two ranks with different parts of the probe batch."""
    folder = tmp_path_factory.mktemp("together")
    workers.launch(workers.curvature, folder)
    return load_run(folder / "run")


def test_curvature_over_the_batches_of_two_ranks_is_that_of_the_whole_batch(together: Run, tmp_path: Path) -> None:
    probes = workers.curvature_probes()
    alone = trained_alone(tmp_path / "alone", -1, probes)
    assert together.steps == alone.steps == (0, 2)
    assert not together.events()
    for kind in workers.CURVATURE:
        for ours, theirs in zip(*(run.series("model.outliers", kind) for run in (together, alone)), strict=True):
            np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-3)
        for ours, theirs in zip(*(run.series("model", kind) for run in (together, alone)), strict=True):
            assert ours.moment(1) == pytest.approx(theirs.moment(1), rel=1e-3)
    half, whole = (run.series("model.outliers", "hessian")[0] for run in (_half(tmp_path, probes), alone))
    assert abs(half.values[-1] / whole.values[-1] - 1) > 0.01  # a half alone would not have passed


def test_kernels_of_a_job_are_those_of_rank_0_and_its_batch(together: Run, tmp_path: Path) -> None:
    alone = trained_alone(tmp_path / "alone", 0, workers.KERNELS)
    for step in alone.steps:
        ours = [s for s in together.spectra(step) if s.source.kind not in workers.CURVATURE]
        for one, other in zip(ours, alone.spectra(step), strict=True):
            assert one.source == other.source
            np.testing.assert_allclose(one.values, other.values, rtol=1e-3, atol=1e-6 * one.values[-1])


def _half(folder: Path, probes: Sequence[Any]) -> Run:
    workers.watch(workers.network(), log_dir=folder / "half", probes=probes, **workers.probe_batch(0)).close()
    return load_run(folder / "half")


@pytest.mark.parametrize("job", [workers.a_rank_skips_a_step, workers.a_rank_raises])
def test_a_rank_that_does_not_come_costs_a_limit_and_a_sentence(job: workers.Job, tmp_path: Path) -> None:
    workers.launch(job, tmp_path)
    told = (tmp_path / "warnings-0.txt").read_text()
    assert "rank 1 did not come to the snapshot within 1 s" in told
    assert "all ranks must call watch() and take the same steps" in told
    assert 0 in load_run(tmp_path / "run").steps


@pytest.mark.slow
@pytest.mark.parametrize("job", [workers.rank_0_is_longer, workers.rank_1_is_longer])
def test_uneven_inputs_are_neither_aborted_nor_held_for_long(job: workers.Job, tmp_path: Path) -> None:
    """The group's own limit is 30 s, that of the ranks 60; a rank that is done is waited for a few seconds, twice."""
    workers.launch(job, tmp_path)
    assert max(float((tmp_path / f"seconds-{rank}.txt").read_text()) for rank in (0, 1)) < 25
    assert set(load_run(tmp_path / "run").steps) >= {0, 2, 4}
    told = "".join((tmp_path / f"warnings-{rank}.txt").read_text() for rank in (0, 1))
    assert "did not come to the snapshot" in told or "no word from rank 0" in told


def test_a_rank_that_measures_for_longer_than_every_time_limit_is_waited_for(tmp_path: Path) -> None:
    workers.launch(workers.one_rank_measures_for_long, tmp_path)
    assert [(tmp_path / f"warnings-{rank}.txt").read_text() for rank in (0, 1)] == ["", ""]
    run = load_run(tmp_path / "run")
    assert run.steps == (0, 2)
    assert not run.events()
    for step in run.steps:
        found = [s.source.name for s in run.spectra(step)]
        assert found[-2:] == ["of rank 0", "of rank 1"]
        assert found.count("4.weight") == 2


def test_a_second_snapshot_at_a_step_measures_what_is_left(tmp_path: Path) -> None:
    workers.launch(workers.a_second_snapshot_at_a_step, tmp_path)
    assert [(tmp_path / f"warnings-{rank}.txt").read_text() for rank in (0, 1)] == ["", ""]
    run = load_run(tmp_path / "run")
    assert [len(run.spectra(step)) for step in run.steps] == [4, 4, 4]


def test_a_large_share_arrives_after_the_job_ended(tmp_path: Path) -> None:
    workers.launch(workers.group_destroyed_before_a_large_share_is_sent, tmp_path)
    assert [(tmp_path / f"warnings-{rank}.txt").read_text() for rank in (0, 1)] == ["", ""]
    run = load_run(tmp_path / "run")
    assert run.steps == (0, 2)
    assert all(run.spectra(step)[-1].values.nbytes == 8 * 600_000 for step in run.steps)


def test_a_model_that_not_all_ranks_train_is_refused_by_their_number(tmp_path: Path) -> None:
    workers.launch(workers.a_model_of_some_ranks, tmp_path)
    assert [len(load_run(tmp_path / f"run-{rank}").spectra(0)) for rank in (0, 1)] == [3, 3]


def test_a_locked_folder_in_a_job_without_a_group_says_when_to_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        workers.watch(workers.network(), log_dir=tmp_path),
        pytest.raises(FolderLocked, match="after torch.distributed.init_process_group"),
    ):
        workers.watch(workers.network(), log_dir=tmp_path)


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waiting times of all looks for a key from now on, in seconds."""
    waited: list[float] = []

    def arrives(store: torch.distributed.Store, key: str, seconds: float) -> bool:
        waited.append(seconds)
        return real(store, key, seconds)

    real = signs_module.arrives
    monkeypatch.setattr(signs_module, "arrives", arrives)
    return waited


def test_a_rank_is_waited_for_as_long_as_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    store = torch.distributed.HashStore()
    signs = Heartbeat(store, rank=0, limit=0.4)
    signs.start()
    later = threading.Timer(1.2, store.set, ("key", "here"))
    later.start()
    assert signs.await_key(store, "key", rank=0)
    began = time.monotonic()
    signs.close()
    assert not signs.await_key(store, "another", rank=0)
    assert not signs.await_key(store, "another", rank=1)
    assert time.monotonic() - began > 0.8
    checks = _counted(monkeypatch)
    assert not signs.await_key(store, "another", rank=0)
    assert checks == [0.1]  # a quarter of the limit: who is gone is not waited for again


def test_a_probe_that_needs_whole_parameters_is_refused_on_shards_by_name(tmp_path: Path) -> None:
    workers.launch(workers.careless_probe_on_shards, tmp_path)
    assert "stub" in (tmp_path / "warnings-0.txt").read_text()
    run = load_run(tmp_path / "run")
    assert [s.source.name for s in run.spectra(0)] == ["0.weight", "2.weight", "4.weight"]
    assert "sharded" in run.events()[0][1]


def test_a_restarted_job_does_not_read_the_answers_of_the_attempt_before(monkeypatch: pytest.MonkeyPatch) -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        for attempt in ("0", "1"):
            monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", attempt)
            monkeypatch.setattr("htmu_diag.ranks.snapshot._COUNT", itertools.count())
            ranks = Ranks(limit=1.0)
            assert not ranks._here.check(["5/go"])
            assert ranks.agree(5, ["weights"]) == ["weights"]
            assert ranks._here.check(["5/go"])
            ranks.close()
    finally:
        dist.destroy_process_group()
