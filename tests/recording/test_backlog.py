"""Fits that lag hold up no training, lose nothing, and give the numbers that they would have given in time."""

import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

import htmu_diag
from htmu_diag.analysis import Diagnoser, Diagnosis, diagnose
from htmu_diag.ranks.team import Found
from htmu_diag.recording import backlog, worker
from htmu_diag.recording.backlog import Backlog, Held
from htmu_diag.recording.one_thread import OneThread
from htmu_diag.recording.recorder import KEPT_RECORDS
from htmu_diag.recording.worker import LOST, SHORT, Worker
from htmu_diag.sinks import MemorySink
from htmu_diag.storage import Store
from htmu_diag.voice import notices
from tests.monitor.helpers import Task, spectrum

STEPS = 20


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing is diagnosed before it is set."""
    event, fit = threading.Event(), Diagnoser.each

    def late(self: Diagnoser, found: Sequence[htmu_diag.Spectrum]) -> list[Diagnosis | Exception]:
        assert event.wait(60)
        return fit(self, found)

    monkeypatch.setattr(Diagnoser, "each", late)
    yield event
    event.set()


@pytest.mark.parametrize("in_memory", [backlog.HELD_BYTES, 0])
def test_a_training_goes_on_and_late_numbers_are_those_of_an_offline_analysis(
    tmp_path: Path, free: threading.Event, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(backlog, "HELD_BYTES", in_memory)
    monkeypatch.setattr(notices, "LONG_WAIT", 0.0)
    monkeypatch.setattr(worker, "SHORT", math.inf)  # on a busy machine too: all but two steps are stored
    task, sink = Task(), MemorySink()
    with pytest.warns(RuntimeWarning, match=r"the training does not wait") as told:
        monitor = htmu_diag.watch(
            task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[sink], usual_sinks=False
        )
        task.train(STEPS)
        assert not sink.records  # all steps were taken, and none is diagnosed
        free.set()
        monitor.close()
    assert sum("does not wait" in str(each.message) for each in told) == 1
    assert [record.step for record in sink.records] == list(range(STEPS + 1))
    run = htmu_diag.load_run(tmp_path)
    assert not run.undiagnosed()
    for record in sink.records:
        for found, stored in zip(record.diagnoses, run.spectra(record.step), strict=True):
            np.testing.assert_equal(found.numbers, diagnose(stored, run.options).numbers)


def test_what_there_is_no_time_for_at_the_end_is_diagnosed_by_whoever_looks(
    tmp_path: Path, free: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Freeing(OneThread):
        def close(self) -> None:  # the time for the end has passed by now
            free.set()
            super().close()

    monkeypatch.setattr(backlog, "OneThread", Freeing)
    monkeypatch.setattr(backlog, "FINISHES_WITHIN", 0.0)
    task, sink = Task(), MemorySink()
    monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[sink], usual_sinks=False)
    task.train(3)
    with pytest.warns(RuntimeWarning, match=r"not diagnosed yet.*htmu show"):
        monitor.close()
    assert [record.step for record in sink.records] == [0, 1, 2, 3]
    run = htmu_diag.load_run(tmp_path)
    assert run.steps == (0, 1, 2, 3)
    assert set(run.undiagnosed()) >= {1, 2, 3}
    assert all(len(record.readings) == 2 for record in run.records())


def test_the_last_lines_are_of_what_was_diagnosed_however_many_steps_are_left(
    tmp_path: Path, free: threading.Event, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backlog, "FINISHES_WITHIN", -1.0)
    task = Task()
    free.set()
    monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[], usual_sinks=False)
    monitor.flush()
    free.clear()
    task.train(KEPT_RECORDS + 2)
    threading.Timer(0.2, free.set).start()
    with pytest.warns(RuntimeWarning, match=r"not diagnosed yet"):
        monitor.close()
    said = capsys.readouterr().err
    left = f"measured {KEPT_RECORDS + 3} times, the last time at step {KEPT_RECORDS + 2}; diagnosed up to step "
    assert left in said
    assert "nothing was diagnosed" not in said
    assert all(record.diagnoses for record in monitor.records)


def test_its_time_at_the_end_begins_with_the_end_whatever_is_closed_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decomposing what waits may take seconds of it."""
    monkeypatch.setattr(backlog, "FINISHES_WITHIN", -1.0)
    waiting = Backlog(lambda error: pytest.fail(str(error)))
    assert not waiting.is_over
    waiting.hurry()
    assert waiting.is_over
    waiting.close()


def test_a_step_that_was_put_aside_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    found = [Found("a", 1, spectrum("x").at_step(4)), Found("b", 0, spectrum("y", 30).at_step(4))]
    with Store(tmp_path) as store:
        store.write(4, [spectrum("z").at_step(4)])
        store.write(4, [each.spectrum for each in found])  # a second measurement of the same step
        held = Held(4, list(found))
        held.put_aside()
        assert held.nbytes == 0
        back = held.read(store.directory)
    for before, after in zip(found, back, strict=True):
        assert (before.probe, before.order, before.spectrum.source) == (after.probe, after.order, after.spectrum.source)
        np.testing.assert_array_equal(before.spectrum.values, after.spectrum.values)


@pytest.mark.parametrize(("seconds", "room"), [(SHORT / 2, 2), (2 * SHORT, 5), (LOST / 4, 4), (2 * LOST, 2)])
def test_more_than_two_snapshots_wait_only_where_computing_is_long(seconds: float, room: int) -> None:
    """And then no more than are computed in two seconds: a kill loses those."""
    one = Worker(on_error=print, most=5)
    one.reserve(1)
    one.submit_reserved(lambda: seconds).result()
    one.wait()
    assert [one.reserve(0.0) for _ in range(room + 1)] == [True] * room + [False]
    one.close()


@pytest.mark.parametrize(("expected", "room"), [(SHORT / 2, 2), (2 * SHORT, 5), (2 * LOST, 2)])
def test_what_computing_takes_is_known_before_the_first_snapshot_is_computed(expected: float, room: int) -> None:
    one, free = Worker(on_error=print, most=5), threading.Event()
    one.reserve(1)
    one.submit_reserved(lambda: float(free.wait(30)), expected)
    assert [one.reserve(0.0) for _ in range(room)] == [True] * (room - 1) + [False]
    free.set()
    one.close()
