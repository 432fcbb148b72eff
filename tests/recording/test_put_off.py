"""A process beside a training starts a second after it, or as soon as somebody stands still for what it gives."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import htmu_diag
from htmu_diag.beside import Beside
from htmu_diag.recording import decomposer, recorder
from htmu_diag.recording.decomposer import Decomposer
from htmu_diag.recording.worker import Worker
from tests.monitor.helpers import Task

EVER = 1e6  # seconds


def awaited(beside: Beside) -> None:
    beside.awaited(True)


@pytest.mark.parametrize(("tell", "starts"), [(Beside.begin, True), (awaited, True), (Beside.hurry, False)])
def test_who_waits_for_it_ends_the_delay(
    tell: Callable[[Decomposer], None], starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decomposer, "LONG", 0.005)
    beside = Decomposer(print)
    beside.put_off(EVER)
    wants = threading.Thread(target=beside.expect, args=(1.0,), daemon=True)
    wants.start()
    assert not beside.beside
    tell(beside)
    wants.join()
    assert beside.beside == starts
    beside.close()


def test_a_training_that_waits_for_a_place_says_so() -> None:
    told: list[bool] = []
    worker = Worker(print, most=3, on_wait=lambda: told.append(True))
    assert [worker.reserve(0.0) for _ in range(2)] == [True, True]
    assert not told
    assert not worker.reserve(0.0)
    assert len(told) == 1
    worker.wait()
    assert len(told) == 2
    worker.close()


def test_a_run_that_is_flushed_or_closed_waits_for_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decomposer, "LONG", 0.0)
    monkeypatch.setattr(recorder, "STARTS_AFTER", EVER)
    for name, flushed in (("closed", False), ("flushed", True)):
        task = Task()
        monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path / name, every=1, sinks=[])
        task.train(1)  # which leaves a place free
        process = monitor._recorder._decompose
        assert not process.beside
        if flushed:
            monitor.flush()
        assert process.beside == flushed
        monitor.close()
        assert htmu_diag.load_run(tmp_path / name).steps == (0, 1)
