"""What goes wrong is told once, with a name, and the training goes on."""

import errno
import gc
import math
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.optim import optimizer as torch_optimizer

import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.errors import MeasurementError, StorageError
from htmu_diag.sinks import MemorySink
from htmu_diag.storage import Store
from tests.monitor.helpers import StubProbe, Task, spectrum

pytestmark = pytest.mark.filterwarnings("ignore:htmu_diag. went wrong more than once")


def our(caught: list[warnings.WarningMessage]) -> list[str]:
    return [str(warning.message) for warning in caught if "htmu_diag" in str(warning.message)]


def test_a_nan_layer_is_an_event_and_one_warning_and_the_others_go_on(task: Task, tmp_path: Path) -> None:
    memory = MemorySink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[memory], usual_sinks=False):
            task.train(1)
            with torch.no_grad():
                task.model[0].weight[3, 3] = torch.nan
            for _ in range(3):
                task.optimizer.step()
    for record in memory.records[2:]:
        assert [d.source.name for d in record.diagnoses] == ["2.weight"]
        assert any("0.weight" in event and "NaN" in event for event in record.events)
        assert all(math.isfinite(value) for value in record.metrics().values())
    assert len([text for text in our(caught) if "are NaN" in text]) == 1
    assert htmu_diag.load_run(tmp_path).events()


def failing(step: int) -> list[htmu_diag.Spectrum]:
    if step:
        raise RuntimeError("no second derivative of this layer")
    return [spectrum()]


def test_an_error_of_a_probe_is_told_once_and_the_training_goes_on(task: Task, tmp_path: Path) -> None:
    with (
        pytest.warns(RuntimeWarning) as caught,
        htmu_diag.watch(
            task.model, task.optimizer, log_dir=tmp_path, every=1, probes=[StubProbe(failing), "weights"]
        ) as monitor,
    ):
        task.train(4)
        assert monitor.snapshot() is not None
    first, repeated = our(list(caught))
    assert "stub" in first
    assert "no second derivative" in first
    assert "stub (4 times)" in repeated
    assert htmu_diag.load_run(tmp_path).steps == (0, 1, 2, 3, 4)


def test_strict_raises_the_error_of_a_probe_at_its_step(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, log_dir=tmp_path, every=1, probes=[StubProbe(failing)], strict=True):
        with pytest.raises(RuntimeError, match="no second derivative"):
            task.train(1)


def test_strict_raises_an_error_of_the_worker_at_the_next_step(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=[1], strict=True) as monitor:
        with torch.no_grad():
            task.model[0].weight[0, 0] = torch.inf
        with pytest.raises(MeasurementError, match=r"0\.weight"):
            task.optimizer.step()
            monitor.flush()


def test_an_error_of_the_training_is_not_replaced_by_one_of_the_monitor(task: Task, tmp_path: Path) -> None:
    training_failed = threading.Event()

    class Late(MemorySink):
        def write(self, record: object) -> None:
            training_failed.wait(60)
            raise ConnectionError("the dashboard is gone")

    with pytest.raises(ZeroDivisionError), pytest.warns(RuntimeWarning, match="dashboard is gone"):
        with htmu_diag.watch(
            task.model, task.optimizer, log_dir=tmp_path, every=[1], sinks=[Late()], usual_sinks=False, strict=True
        ):
            task.train(1)
            training_failed.set()
            raise ZeroDivisionError


def test_what_a_probe_found_before_it_failed_is_kept(task: Task, tmp_path: Path) -> None:
    class Halfway(StubProbe):
        def measure(self, context: object) -> Iterator[htmu_diag.Spectrum]:
            yield spectrum("first")
            raise MeasurementError("second: a custom function without a derivative; leave it out")

    with pytest.warns(RuntimeWarning, match="second: a custom function"):
        with htmu_diag.watch(task.model, log_dir=tmp_path, probes=[Halfway(lambda step: [])]):
            pass
    run = htmu_diag.load_run(tmp_path)
    assert [s.source.name for s in run.spectra(0)] == ["first"]
    assert "second" in run.events()[0][1]


def test_a_failing_sink_does_not_keep_the_others_from_theirs(task: Task, tmp_path: Path) -> None:
    class Broken(MemorySink):
        def write(self, record: object) -> None:
            raise ConnectionError("the dashboard is gone")

    memory = MemorySink()
    with pytest.warns(RuntimeWarning, match="dashboard is gone"):
        with htmu_diag.watch(
            task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[Broken(), memory], usual_sinks=False
        ):
            task.train(3)
    assert [record.step for record in memory.records] == [0, 1, 2, 3]


def test_a_full_disk_is_told_once_and_later_records_are_written_again(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, full = Store.write, {1, 2}

    def limited(self: Store, step: int, *args: object, **kwargs: object) -> None:
        if step in full:
            raise StorageError(errno.ENOSPC, "no space left on the device")
        write(self, step, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "write", limited)
    memory = MemorySink()
    with pytest.warns(RuntimeWarning, match="no space left") as caught:
        with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[memory], usual_sinks=False):
            task.train(4)
    assert len([text for text in our(list(caught)) if "no space left" in text]) == 1
    assert htmu_diag.load_run(tmp_path).steps == (0, 3, 4)
    assert len(memory.records) == 5


def test_memory_stays_bounded_while_nothing_can_be_written(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Store, *args: object, **kwargs: object) -> None:
        raise StorageError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Store, "write", full)
    monkeypatch.setattr(Store, "log", full)
    with pytest.warns(RuntimeWarning, match="no space left"):
        with htmu_diag.watch(
            task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[], options=Options(bootstrap=0)
        ) as monitor:
            held = []
            for _ in range(3):
                task.train(12)
                monitor.log({"loss": 1.0})
                monitor.flush()
                gc.collect()
                held.append(sum(type(thing) is htmu_diag.Spectrum for thing in gc.get_objects()))
    assert max(held) <= min(held) + 4, held  # two spectra a step, 12 steps between the counts


def test_a_folder_that_cannot_be_written_costs_the_log_not_the_training(task: Task, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    memory = MemorySink()
    with pytest.warns(RuntimeWarning, match="cannot create") as caught:
        with htmu_diag.watch(
            task.model, task.optimizer, log_dir=tmp_path / "taken", every=1, sinks=[memory], usual_sinks=False
        ):
            task.train(2)
    assert len(our(list(caught))) == 1
    assert [record.step for record in memory.records] == [0, 1, 2]


def test_an_unwritable_folder_with_tensorboard_is_one_warning_each(task: Task, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder is wanted")
    with pytest.warns(RuntimeWarning) as caught:
        with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path / "taken", every=1):
            task.train(3)
    assert len(our(list(caught))) <= 2


def test_a_frozen_model_is_told_once_and_measured(task: Task, tmp_path: Path) -> None:
    task.model.requires_grad_(False)
    with pytest.warns(RuntimeWarning, match="no parameter requires a gradient"):
        htmu_diag.watch(task.model, log_dir=tmp_path).close()
    assert htmu_diag.load_run(tmp_path).steps == (0,)


def test_a_model_without_matrices_is_told_once(tmp_path: Path) -> None:
    model = torch.nn.BatchNorm1d(4)
    with pytest.warns(RuntimeWarning, match="no matrix to measure"):
        htmu_diag.watch(model, log_dir=tmp_path).close()


def test_watching_that_fails_at_once_leaves_no_lock_and_no_hook(task: Task, tmp_path: Path) -> None:
    hooks = len(torch_optimizer._global_optimizer_post_hooks)
    bad = StubProbe(lambda step: failing(1))
    with pytest.raises(RuntimeError, match="no second derivative"):
        htmu_diag.watch(task.model, log_dir=tmp_path, probes=[bad], strict=True)
    assert len(torch_optimizer._global_optimizer_post_hooks) == hooks
    htmu_diag.watch(task.model, log_dir=tmp_path).close()


def test_an_interrupt_inside_a_probe_is_not_held_back(task: Task, tmp_path: Path) -> None:
    def interrupted(step: int) -> list[htmu_diag.Spectrum]:
        if step == 2:
            raise KeyboardInterrupt
        return [spectrum()]

    with pytest.raises(KeyboardInterrupt):
        with htmu_diag.watch(task.model, log_dir=tmp_path, every=1, probes=[StubProbe(interrupted)]):
            task.train(5)
    assert htmu_diag.load_run(tmp_path).steps == (0, 1)


class Broken:
    """A buffer that cannot be copied."""

    def detach(self) -> torch.Tensor:
        raise RuntimeError("no storage")


def test_a_model_that_cannot_be_put_back_does_not_stop_the_training(task: Task, tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="no storage"):
        with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1):
            task.model.register_buffer("late", torch.zeros(1))
            task.model._buffers["late"] = Broken()  # type: ignore[assignment]
            task.optimizer.step()
            del task.model._buffers["late"]


def test_a_handler_that_closes_the_monitor_inside_a_measurement_does_not_stop_the_training(
    task: Task, tmp_path: Path
) -> None:
    monitors: list[htmu_diag.Monitor] = []

    def closing(step: int) -> list[htmu_diag.Spectrum]:
        if step:
            os.kill(os.getpid(), signal.SIGTERM)
        return [spectrum()]

    before = signal.signal(signal.SIGTERM, lambda *_: monitors[0].close())
    try:
        probes = [StubProbe(closing)]
        monitors.append(htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1, probes=probes))
        task.train(2)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert monitors[0].closed
    assert htmu_diag.load_run(tmp_path).steps == (0,)
