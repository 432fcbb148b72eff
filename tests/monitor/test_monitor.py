"""The two lines: what is measured, when, in which order, and what is left behind."""

import copy
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import optimizer as torch_optimizer

import htmu_diag
from htmu_diag.errors import InputError, StorageError
from htmu_diag.monitor import Monitor
from htmu_diag.sinks import MemorySink
from htmu_diag.spectrum import Kind
from tests.monitor.helpers import StubProbe, Task, spectrum


def test_spectra_of_due_steps_are_stored_and_shown(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=2) as monitor:
        task.train(5)
        monitor.flush()
        assert [record.step for record in monitor.records] == [0, 2, 4]
    run = htmu_diag.load_run(tmp_path)
    assert run.steps == (0, 2, 4)
    assert [s.source.name for s in run.spectra(4)] == ["0.weight", "2.weight"]
    assert list(tmp_path.glob("events.out.tfevents*"))


def test_the_stored_spectrum_is_that_of_the_weights_at_its_step(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=3):
        task.train(3)
        weights = task.model[0].weight.detach().double().numpy().copy()
        task.train(2)
    (stored,) = htmu_diag.load_run(tmp_path).series("0.weight")[1:]
    squares = np.sort(np.linalg.svd(weights, compute_uv=False) ** 2) / 24
    np.testing.assert_allclose(stored.values, squares, rtol=1e-9)


def test_live_numbers_equal_the_analysis_of_what_was_stored(task: Task, tmp_path: Path) -> None:
    memory = MemorySink()
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=2, sinks=[memory], usual_sinks=False):
        task.train(4)
    run = htmu_diag.load_run(tmp_path)
    for record in memory.records:
        assert run.diagnose(record.step).metrics() == record.metrics()


def test_each_probe_follows_its_own_schedule(task: Task, tmp_path: Path) -> None:
    seen: list[int] = []
    probe = StubProbe(lambda step: [spectrum()] if seen.append(step) is None else [])
    every = {"weights": 4, "stub": [1, 3]}
    with htmu_diag.watch(task.model, log_dir=tmp_path, probes=["weights", probe], every=every):
        task.train(5)
    assert seen == [1, 3]
    assert htmu_diag.load_run(tmp_path).steps == (0, 1, 3, 4)


def test_a_snapshot_measures_now_and_only_what_is_missing(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=100) as monitor:
        task.train(3)
        record = monitor.snapshot()
        assert record is not None
        assert record.step == 3
        assert monitor.snapshot() is record
    assert htmu_diag.load_run(tmp_path).steps == (0, 3)


def test_steps_can_be_counted_by_hand(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, log_dir=tmp_path, every=10) as monitor:
        for step in range(1, 21):
            task.train(1)
            monitor.step(step)
        with pytest.raises(InputError, match="step 5 comes after step 20"):
            monitor.step(5)
    assert htmu_diag.load_run(tmp_path).steps == (0, 10, 20)


def test_a_step_by_hand_without_a_number_is_one_more(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, log_dir=tmp_path, every=2, start_step=6) as monitor:
        for _ in range(4):
            monitor.step()
    assert htmu_diag.load_run(tmp_path).steps == (6, 8, 10)


def test_numbers_of_the_training_are_kept_as_they_were_when_logged(task: Task, tmp_path: Path) -> None:
    loss = torch.tensor(2.5)
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path) as monitor:
        task.train(1)
        monitor.log({"train/loss": loss, "train/lr": 0.1})
        loss.zero_()
    scalars = htmu_diag.load_run(tmp_path).scalars()
    own = {tag: points for tag, points in scalars.items() if not tag.startswith("temperature/")}
    assert own == {"train/loss": [(1, 2.5)], "train/lr": [(1, 0.1)]}


def test_a_resumed_run_supersedes_the_steps_it_repeats(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=2):
        task.train(6)
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=2, start_step=3):
        task.train(2)
    assert htmu_diag.load_run(tmp_path).steps == (0, 2, 4)


def test_a_slow_sink_neither_holds_the_training_back_nor_loses_anything(task: Task, tmp_path: Path) -> None:
    class SlowSink(MemorySink):
        def write(self, record: htmu_diag.analysis.StepRecord) -> None:  # type: ignore[name-defined]
            time.sleep(0.05)
            super().write(record)

    sink, ahead = SlowSink(), []
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[sink], usual_sinks=False):
        for step in range(1, 13):
            task.train(1)
            ahead.append(step + 1 - len(sink.records))
    assert [record.step for record in sink.records] == list(range(13))
    assert max(ahead) > 3  # what waits for the sink is in the store


def test_a_watched_model_can_be_pickled_copied_and_saved(task: Task, tmp_path: Path) -> None:
    before = set(vars(task.model))
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path / "run", every=1):
        task.train(2)
        again = pickle.loads(pickle.dumps(task.model))
        copied = copy.deepcopy((task.model, task.optimizer))
        torch.save(task.model, tmp_path / "model.pt")
    assert set(vars(task.model)) == before
    for other in (again, copied[0]):
        torch.testing.assert_close(other.state_dict(), task.model.state_dict())


def test_no_hook_and_no_thread_is_left_after_close(task: Task, tmp_path: Path) -> None:
    hooks, threads = len(torch_optimizer._global_optimizer_post_hooks), set(threading.enumerate())
    monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1)
    task.train(1)
    assert not any(module._forward_hooks or module._backward_hooks for module in task.model.modules())
    monitor.close()
    monitor.close()
    assert len(torch_optimizer._global_optimizer_post_hooks) == hooks
    assert set(threading.enumerate()) == threads


def test_an_exception_of_the_training_passes_and_the_run_is_complete(task: Task, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1):
        task.train(2)
        raise ZeroDivisionError
    assert htmu_diag.load_run(tmp_path).steps == (0, 1, 2)


def test_a_folder_in_use_is_refused_until_it_is_given_back(task: Task, tmp_path: Path) -> None:
    first = htmu_diag.watch(task.model, log_dir=tmp_path)
    with pytest.raises(StorageError, match="being written"):
        htmu_diag.watch(task.model, log_dir=tmp_path)
    first.close()
    htmu_diag.watch(task.model, log_dir=tmp_path).close()


def test_wrappers_of_compilation_leave_no_trace_in_names(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(torch.compile(task.model, backend="eager"), log_dir=tmp_path) as monitor:
        record = monitor.snapshot()
    assert record is not None
    assert [d.source.name for d in record.diagnoses] == ["0.weight", "2.weight"]


def test_records_in_memory_are_few_and_those_on_disk_are_all(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=[]) as monitor:
        task.train(12)
        monitor.flush()
        assert [record.step for record in monitor.records] == list(range(5, 13))
    assert len(htmu_diag.load_run(tmp_path).steps) == 13


def test_the_path_of_the_optimizer_is_measured_beside_the_weights(task: Task, tmp_path: Path) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=20, probes=["weights", "trajectory"]):
        task.train(40)
    lengths = htmu_diag.load_run(tmp_path).series("model", Kind.TRAJECTORY)
    assert [s.values.size for s in lengths] == [20, 40]
    assert lengths[-1].scalars["noise_scale"] >= 0


def test_a_probe_passed_over_for_its_price_is_told_of_later(task: Task, tmp_path: Path) -> None:
    def slow(step: int) -> list[htmu_diag.Spectrum]:
        time.sleep(0.05)
        return [spectrum()]

    memory = MemorySink()
    probe = StubProbe(slow)
    with htmu_diag.watch(
        task.model, log_dir=tmp_path, probes=[probe], every=1, budget=0.2, sinks=[memory], usual_sinks=False
    ) as monitor:
        for _ in range(30):
            monitor.flush()
            task.train(1)
            time.sleep(0.01)
    told = "".join(event for record in memory.records for event in record.events)
    assert told.count("against a budget of 20% of wall time") >= 1
    measured = [record.step for record in memory.records if record.diagnoses]
    assert 0 in measured
    assert len(measured) < 15
    assert "not measured at step 1" in told


def test_measuring_keeps_within_its_share_of_the_wall_time(task: Task, tmp_path: Path) -> None:
    spent: list[float] = []

    def slow(step: int) -> list[htmu_diag.Spectrum]:
        began = time.monotonic()
        time.sleep(0.02)
        spent.append(time.monotonic() - began)
        return [spectrum()]

    began = time.monotonic()
    with htmu_diag.watch(task.model, log_dir=tmp_path, probes=[StubProbe(slow)], every=1, budget=0.05, sinks=[]):
        while time.monotonic() - began < 2.0:
            task.train(1)
    share = 0.05 * (time.monotonic() - began)
    assert sum(spent) <= share + max(spent)
    run = htmu_diag.load_run(tmp_path)
    assert len(run.steps) == len(spent)  # a sentence about what was passed over is no step of its own
    assert len([event for _, event in run.events() if "stub: not measured at step" in event]) >= len(spent) - 1


@pytest.mark.parametrize("scalars", ["loss", None, {1: 2.0}])
def test_what_is_no_dict_of_names_is_answered(task: Task, tmp_path: Path, scalars: Any) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, sinks=[]) as monitor:
        with pytest.raises(InputError, match="pass numbers by their names"):
            monitor.log(scalars)


@pytest.mark.parametrize("step", ["3", 2.5, -4])
def test_a_step_that_is_none_is_answered(task: Task, tmp_path: Path, step: Any) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, sinks=[]) as monitor:
        for use in (lambda: monitor.log({"loss": 1.0}, step), lambda: monitor.step(step)):
            with pytest.raises(InputError, match=f"step = {step!r} cannot be taken"):
                use()


@pytest.mark.parametrize("value", ["text", None, torch.ones(3)])
def test_a_value_that_is_no_number_costs_itself(task: Task, tmp_path: Path, value: Any) -> None:
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, sinks=[]) as monitor:
        monitor.log({"odd": value, "loss": 1.0})
        with pytest.warns(RuntimeWarning, match="log of 'odd'"):
            monitor.flush()
    assert htmu_diag.load_run(tmp_path).scalars()["loss"] == [(0, 1.0)]


def test_a_closed_monitor_refuses_what_it_would_lose(task: Task, tmp_path: Path) -> None:
    monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path)
    monitor.close()
    monitor.flush()
    for use in (lambda: monitor.log({"loss": 1.0}), monitor.step, monitor.snapshot):
        with pytest.raises(InputError, match="this monitor is closed; call watch"):
            use()
    task.train(1)


def test_a_second_watch_of_one_process_says_which_to_close(task: Task, tmp_path: Path) -> None:
    """What happens when a notebook's cell is run again."""
    monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path)
    with pytest.raises(StorageError, match=r"another monitor .* of this same process .* call its close\(\) first"):
        htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path)
    task.train(100)
    monitor.close()
    assert htmu_diag.load_run(tmp_path).steps == (0, 100)


def test_two_monitors_on_one_model_do_not_meet(task: Task, tmp_path: Path) -> None:
    with (
        htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path / "a", every=2),
        htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path / "b", every=3, probes=["trajectory"]),
    ):
        task.train(6)
    assert htmu_diag.load_run(tmp_path / "a").steps == (0, 2, 4, 6)
    assert htmu_diag.load_run(tmp_path / "b").steps == (0, 3, 6)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"probes": ["weigths"]}, "did you mean 'weights'"),
        ({"every": {"ntk": 5}}, "no probe 'ntk'"),
        ({"every": 0}, "every=0"),
        ({"budget": 2.0}, "budget=2.0"),
        ({"probes": ["weights", "weights"]}, "each probe once"),
    ],
)
def test_a_wrong_choice_is_refused_when_watching_begins(
    task: Task, tmp_path: Path, choice: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        htmu_diag.watch(task.model, log_dir=tmp_path, **choice)
    assert not list(tmp_path.iterdir())


def test_a_probe_without_its_batch_is_refused_by_name(task: Task, tmp_path: Path) -> None:
    probe = StubProbe(lambda step: [])
    probe.needs = frozenset({"batch", "loss_fn"})
    with pytest.raises(InputError, match=r"'stub' needs batch and loss_fn: pass batch=\(inputs, targets\)"):
        htmu_diag.watch(task.model, log_dir=tmp_path, probes=[probe])


def test_an_optimizer_of_another_model_is_refused(task: Task, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SGD holds no parameter of the Sequential"):
        htmu_diag.watch(task.model, Task(1).optimizer, log_dir=tmp_path)


def test_the_monitor_is_a_public_name() -> None:
    assert htmu_diag.Monitor is Monitor
