"""A process beside the training decomposes as its own process would, to the last bit, or steps aside."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import htmu_diag
from htmu_diag import beside as beside_module
from htmu_diag.errors import MeasurementError
from htmu_diag.probes import Pending, StepContext, WeightsProbe
from htmu_diag.recording import decomposer as module
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.computing import Computing
from htmu_diag.recording.decomposer import Decomposer
from htmu_diag.recording.measured import Measured
from htmu_diag.spectrum import Spectrum
from htmu_diag.stacked import Stacked, decomposed
from tests.monitor.helpers import Task

STARTED = 1.0  # seconds expected, which is long


def matrices(count: int = 5, shape: tuple[int, int] = (20, 30), seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for _ in range(count)]


def bits(found: Stacked) -> bytes:
    return found.values.tobytes() + found.found.tobytes() + found.plain.tobytes()


@pytest.fixture
def told() -> list[MeasurementError]:
    return []


@pytest.fixture
def beside(told: list[MeasurementError], monkeypatch: pytest.MonkeyPatch) -> Iterator[Decomposer]:
    monkeypatch.setattr(module, "LONG", 0.005)
    decomposer = Decomposer(told.append)
    decomposer.expect(STARTED)
    yield decomposer
    decomposer.close()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_process_gives_the_same_numbers_to_the_last_bit(
    beside: Decomposer, told: list[MeasurementError], monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    monkeypatch.setattr(module, "MOST", 2000)  # several requests
    given = [matrix.astype(dtype) for matrix in matrices(7)]
    given[2][:, 3], given[3][1, 1] = 0.0, np.nan
    assert bits(beside(given)) == bits(decomposed(given))
    assert bits(beside(matrices(600, (2, 3)))) == bits(decomposed(matrices(600, (2, 3))))
    process = beside._process
    assert process is not None
    if hasattr(os, "getpriority"):
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == min(os.nice(0) + module.PRIORITY, 19)
    group = Path(f"/proc/{process.pid}/autogroup")  # where sessions are scheduled, niceness counts inside one only
    assert not group.exists() or group.read_text().endswith(f"nice {module.PRIORITY}\n")
    beside.hurry()
    assert not group.exists() or group.read_text().endswith("nice 0\n")
    beside.close()
    beside.close()
    assert process.returncode is not None
    assert told == []


def test_what_a_pipe_takes_in_pieces_arrives_whole(beside: Decomposer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may end a call that has written a part, of one matrix or of several."""
    taken, whole = [], os.writev

    def some(pipe: int, parts: list[memoryview]) -> int:
        taken.append(whole(pipe, [*parts[:2], parts[2][:1001]] if len(parts) > 2 else parts))
        return taken[-1]

    monkeypatch.setattr(os, "writev", some)
    assert bits(beside(matrices(7))) == bits(decomposed(matrices(7)))
    assert len(taken) > 3


def test_it_starts_for_what_is_felt_only(told: list[MeasurementError], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG", 0.005)
    decomposer = Decomposer(told.append)
    decomposer.expect(0.001)
    assert decomposer._process is None
    assert bits(decomposer(matrices())) == bits(decomposed(matrices()))


@pytest.mark.parametrize("hurried", [False, True])
def test_a_process_that_is_stopped_is_ended_and_replaced(
    beside: Decomposer, told: list[MeasurementError], monkeypatch: pytest.MonkeyPatch, hurried: bool
) -> None:
    beside(matrices())
    process = beside._process
    assert process is not None
    if hurried:
        monkeypatch.setattr(beside_module, "ENDS_WITHIN", 0.3)
        threading.Timer(0.1, beside.hurry).start()
    else:
        beside._limit = 0.3
    os.kill(process.pid, signal.SIGSTOP)
    large = matrices(40, (128, 128))  # more than a pipe holds
    assert bits(beside(large)) == bits(decomposed(large))
    assert process.returncode == -signal.SIGKILL
    assert ["did not answer" in str(each) for each in told] == [True]
    beside.expect(STARTED)
    assert beside._process is None


def test_without_a_python_to_start_it_is_done_here(
    told: list[MeasurementError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 0.005)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    decomposer = Decomposer(told.append)
    decomposer.expect(STARTED)
    assert bits(decomposer(matrices())) == bits(decomposed(matrices()))
    assert len(told) == 1


def computed(pending: list[Pending], complaints: Complaints) -> tuple[list[tuple[int, Spectrum]], Measured]:
    measured = Measured(1, 0.0, ("weights",), [("weights", item.order, item) for item in pending])
    found = Computing(complaints, Decomposer(lambda _: None))(measured)
    return sorted(((each.order, each.spectrum) for each in found), key=lambda pair: pair[0]), measured


def test_a_snapshot_is_computed_together_as_alone_and_a_bad_matrix_fails_by_itself() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(*[torch.nn.Linear(*sides) for sides in [(8, 9), (9, 7), (8, 9), (8, 9), (9, 7)]])
    net.append(torch.nn.Linear(8, 9, dtype=torch.bfloat16))
    probe, complaints = WeightsProbe(), Complaints()
    list(probe.measure(StepContext(0, net)))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1)
        net[2].weight[0, 0] = float("nan")
    alone = {item.order: item.compute for item in probe.capture(StepContext(1, net))}
    found, measured = computed(list(probe.capture(StepContext(1, net))), complaints)
    assert [order for order, _ in found] == [0, 1, 3, 4, 5]
    for order, spectrum in found:
        other = alone[order]()
        assert spectrum.values.tobytes() == other.values.tobytes()
        assert (spectrum.source, spectrum.estimator) == (other.source, other.estimator)
        assert dict(spectrum.scalars) == dict(other.scalars)
        assert spectrum.scalars["distance"] > 0
    assert measured.items == []
    assert measured.seconds["weights"] > 0
    assert ["2.weight" in event and "NaN" in event for event in measured.events] == [True]


def test_a_run_whose_process_is_killed_holds_what_an_undisturbed_one_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 0.0)
    runs = {}
    for name in ("beside", "killed", "here"):
        if name == "here":
            monkeypatch.setattr(module, "LONG", float("inf"))
        task = Task()
        monitor = htmu_diag.watch(
            task.model, task.optimizer, log_dir=tmp_path / name, every=1, sinks=[], probes=["weights"]
        )
        task.train(3)
        monitor._worker.wait()
        process = monitor._recorder._decompose._process
        assert (process is None) == (name == "here")
        if name == "killed" and process is not None:
            process.kill()
            with pytest.warns(RuntimeWarning, match="the process that decomposes ended"):
                task.train(3)
                monitor.close()
        else:
            task.train(3)
            monitor.close()
        runs[name] = htmu_diag.load_run(tmp_path / name)
    for step in range(7):
        kept = [[(s.source, s.values.tobytes(), dict(s.scalars)) for s in run.spectra(step)] for run in runs.values()]
        assert kept[0] == kept[1] == kept[2]
