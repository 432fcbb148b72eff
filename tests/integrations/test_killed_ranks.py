"""Ranks that die, stand still or run out of memory: the others end as they would, and what was measured is there."""

import threading
from pathlib import Path

import pytest
import torch

from htmu_diag.ranks.heartbeat import Heartbeat
from htmu_diag.storage import load_run
from tests.integrations import killed_jobs
from tests.integrations.workers import launch

pytestmark = pytest.mark.xdist_group("ranks")  # one process to fork from
SHARES, LAYERS = ["of rank 0", "of rank 1"], ["0.weight", "2.weight", "4.weight"]


def test_a_rank_that_died_is_not_waited_for_when_the_run_is_closed(tmp_path: Path) -> None:
    launch(killed_jobs.dies_before_its_part_is_sent, tmp_path)
    run = load_run(tmp_path / "run")
    assert run.steps == (0, 1, 2)
    assert [[s.source.name for s in run.spectra(step)] for step in (0, 1)] == [LAYERS, LAYERS]
    assert "of rank 0" in [s.source.name for s in run.spectra(2)]
    (event,) = run.events()
    assert event == (2, "step 2: rank 1 gave no sign of life for 1 s; its spectra are missing")


def test_a_rank_that_cannot_send_its_part_says_so_instead(tmp_path: Path) -> None:
    launch(killed_jobs.has_no_memory_for_its_part, tmp_path)
    run = load_run(tmp_path / "run")
    assert [[s.source.name for s in run.spectra(step)] for step in (0, 2, 5)] == [LAYERS + SHARES] * 3
    (event,) = run.events()
    assert event[0] == 1
    assert "rank 1 could not send its part (MemoryError: injected); its spectra are missing" in event[1]


def test_a_rank_that_can_send_nothing_holds_nobody(tmp_path: Path) -> None:
    launch(killed_jobs.can_send_nothing_any_more, tmp_path)
    run = load_run(tmp_path / "run")
    assert [s.source.name for s in run.spectra(0)] == LAYERS + SHARES
    assert run.steps[:2] == (0, 1)
    assert (1, "step 1: rank 1 gave no sign of life for 1 s; its spectra are missing") in run.events()


def test_a_rank_that_stood_still_costs_a_snapshot(tmp_path: Path) -> None:
    launch(killed_jobs.stands_still_for_a_while, tmp_path)
    run = load_run(tmp_path / "run")
    assert [[s.source.name for s in run.spectra(step)] for step in run.steps] == [LAYERS] * len(run.steps)
    assert set(run.steps) == {0, 1, 3}
    assert "rank 1 did not come to the snapshot" in (tmp_path / "warnings-0.txt").read_text()


def test_all_ranks_end_when_they_are_asked_to_and_keep_what_they_have(tmp_path: Path) -> None:
    launch(killed_jobs.all_are_asked_to_end, tmp_path)
    assert all((tmp_path / f"ended-{rank}").exists() for rank in (0, 1))
    run = load_run(tmp_path / "run")
    assert [[s.source.name for s in run.spectra(step)] for step in run.steps] == [LAYERS] * 2
    assert not run.events()


def test_whoever_waits_for_a_rank_hears_that_the_end_is_near() -> None:
    store = torch.distributed.HashStore()
    signs = Heartbeat(store, rank=0, limit=60.0)
    threading.Timer(0.2, signs.hurry, (0.3,)).start()
    assert not signs.await_key(store, "key", rank=1)
    assert signs.limit == 0.3
    signs.hurry(5.0)
    assert signs.limit == 0.3
