"""Ranks that hold parts: each model has its own ranks, labels are right, a rank without memory holds nobody up."""

from pathlib import Path

import numpy as np
import pytest
import torch

from htmu_diag.storage import load_run
from tests.integrations import shard_jobs, workers

pytestmark = pytest.mark.xdist_group("ranks")  # one process to fork from


def _told(folder: Path, ranks: int = 2) -> list[str]:
    return [(folder / f"warnings-{rank}.txt").read_text() for rank in range(ranks)]


def _trained(steps: int, rate: float = 0.1) -> torch.nn.Module:
    """The same training on one process with the whole batch."""
    model = workers.network()
    workers.train(model, torch.optim.SGD(model.parameters(), lr=rate), -1, steps)
    return model


def test_models_on_disjoint_ranks_are_each_watched_by_their_own(tmp_path: Path) -> None:
    workers.launch(shard_jobs.two_models_on_two_ranks_each, tmp_path, ranks=4)
    assert _told(tmp_path, 4) == [""] * 4
    for pair, steps in enumerate([(0, 2, 4), (0, 2, 4, 6)]):
        run = load_run(tmp_path / f"run-{pair}")
        assert run.steps == steps
        assert not run.events()
        weight = _trained(steps[-1], 0.1 * (1 + pair))[2].weight.detach().double().numpy()
        values = run.series("2.weight")[-1].values
        np.testing.assert_allclose(values, np.linalg.svd(weight)[1][::-1] ** 2 / 24, rtol=1e-4)
        lengths = run.series("model", "trajectory")[-1].values
        assert len(lengths) == steps[-1]


def test_a_snapshot_is_the_model_after_all_ranks_sent_their_part_of_the_step(tmp_path: Path) -> None:
    workers.launch(shard_jobs.zero_redundancy, tmp_path)
    assert _told(tmp_path) == ["", ""]
    run = load_run(tmp_path / "run")
    assert run.steps == (0, 1, 2, 3, 4)
    for step in range(1, 5):
        weight = np.load(tmp_path / f"weight-{step}.npy").astype(float)
        values = run.series("2.weight")[step].values
        np.testing.assert_allclose(values, np.linalg.svd(weight)[1][::-1] ** 2 / 24, rtol=1e-5)


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return _trained(6)[2].weight.detach().numpy()


def _went_on(folder: Path, expected: np.ndarray) -> None:
    """Both ranks took their steps, nothing of ours was in the training's collectives, and no rank waited for long."""
    ended = np.concatenate([np.load(folder / f"end-{rank}.npy") for rank in (0, 1)])
    np.testing.assert_allclose(ended, expected, rtol=1e-4, atol=1e-6)
    assert max(float((folder / f"seconds-{rank}.txt").read_text()) for rank in (0, 1)) < 20
    assert load_run(folder / "run").steps == (0, 2, 4, 6)


def test_a_rank_without_memory_for_a_weight_costs_that_weight(tmp_path: Path, expected: np.ndarray) -> None:
    workers.launch(shard_jobs.no_memory_for_one_weight_nor_a_copy_of_another, tmp_path)
    _went_on(tmp_path, expected)
    told = "\n".join(_told(tmp_path))
    assert told.count("rank 1 has no memory for a whole tensor of (20, 24)") == 1
    assert told.count("4.weight: no memory for a copy") == 1
    run = load_run(tmp_path / "run")
    assert [len(run.series(f"{place}.weight")) for place in (0, 2, 4)] == [4, 1, 1]


def test_a_rank_that_fails_inside_a_gather_ends_the_gathers_only(tmp_path: Path, expected: np.ndarray) -> None:
    workers.launch(shard_jobs.no_memory_inside_the_gather, tmp_path)
    _went_on(tmp_path, expected)
    waiting, failing = _told(tmp_path)
    assert waiting.count("weights: Lost: a gather of all ranks failed, or one of them did not come to it") == 1
    assert failing.count("weights: Lost: a gather of all ranks failed") == 1
    assert "OutOfMemoryError" in failing


def test_a_rank_that_leaves_a_sum_of_all_ranks_is_not_waited_for(tmp_path: Path) -> None:
    """The limit of the ranks is 60 s, that of the training's group 30: it would be aborted."""
    workers.launch(shard_jobs.no_memory_for_a_vector, tmp_path)
    waiting, failing = _told(tmp_path)
    assert waiting.count("another rank left the measurement") == 1
    assert failing.count("tried to allocate 9.00 GiB") == 1
    assert [len(load_run(tmp_path / "run").series(name)) for name in ("2.weight", "0.weight")] == [3, 3]
