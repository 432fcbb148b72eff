"""However a training process ends, what it measured is there. Real processes, real signals."""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import htmu_diag
from htmu_diag.errors import StorageError
from tests import warm
from tests.monitor.helpers import Task
from tests.warm import Process

TRAINING = """
import signal, sys
import htmu_diag
from htmu_diag.analysis import diagnoser
from htmu_diag.recording import worker
diagnoser.PATIENCE = float("inf")  # a process for the fits takes longer to start than these runs
worker.SHORT = float("inf")  # on a busy machine too: two places, which is what a kill may cost
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and pass that on
from htmu_diag.sinks import MemorySink
from tests.monitor.helpers import Task

class Reporting(MemorySink):
    def write(self, record):
        print(record.step, flush=True)

task = Task()
{before}
sinks = {{'sinks': [Reporting(keep=1)], 'usual_sinks': False}}
monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=sys.argv[1], every=1, **sinks)
{loop}
"""
ENDLESS = (
    "import time\nwhile True: task.train(1); time.sleep(0.02)"  # what it is ahead of its fits is fitted at the end
)
STEPS = "from pathlib import Path; tmp = Path(sys.argv[1]) / 'taken'; tmp.mkdir(parents=True)"


@contextmanager
def training(folder: Path, loop: str, before: str = "") -> Iterator[Process]:
    """A training process whose output is the steps that were recorded."""
    script = TRAINING.format(loop=loop, before=before)
    process = Process("-c", script, str(folder))
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def steps_until(process: Process, wanted: int) -> list[int]:
    return [int(process.stdout.readline()) for _ in range(wanted)]


def rest(process: Process) -> list[int]:
    out, _ = process.communicate(timeout=200)
    return [int(line) for line in out.splitlines() if line.isdigit()]


def test_a_script_that_forgets_to_close_loses_nothing(tmp_path: Path) -> None:
    with training(tmp_path, "task.train(7)") as process:
        assert rest(process) == list(range(8))
        assert process.returncode == 0
    assert htmu_diag.load_run(tmp_path).steps == tuple(range(8))


FORGOTTEN = """
import sys, time
import htmu_diag
from tests.monitor.helpers import StubProbe, Task, spectrum
task = Task()
def slow(step):
    time.sleep(0.05)
    return [spectrum()]
choices = dict(every=1, probes=[StubProbe(slow)], budget=0.001, verbose=False)
monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=sys.argv[1], **choices)
monitor.flush()
task.train(3)
monitor.log({"loss": 1.0})
"""


def test_a_budgeted_run_that_is_never_closed_tells_what_it_passed_over(tmp_path: Path) -> None:
    done = warm.run("-c", FORGOTTEN, str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    run = htmu_diag.load_run(tmp_path)
    assert run.steps == (0,)
    assert [step for step, event in run.events() if "not measured at step 1, 2, 3: one run costs" in event] == [3]
    events = EventAccumulator(str(tmp_path)).Reload()
    assert [event.step for event in events.Scalars("loss")] == [3]
    assert "run/events/text_summary" in events.Tags()["tensors"] or "run/events" in events.Tags()["tensors"]
    assert "run/table/text_summary" in events.Tags()["tensors"] or "run/table" in events.Tags()["tensors"]  # at the end


FORKED = """
import os, sys
import torch
torch.set_num_threads(1)  # a child of a process that used OpenMP threads hangs in its first product
import htmu_diag
from tests.monitor.helpers import Task
task = Task()
monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=sys.argv[1], every=1)
task.train(2)
monitor.flush()
for ending in ("exits", "closes", "raises"):
    if os.fork() == 0:
        task.train(3)
        if ending == "closes":
            monitor.close()
        if ending == "raises":
            raise SystemExit(1)
        sys.exit(0)
    os.wait()
task.train(1)
"""


def test_forked_children_leave_the_run_to_their_parent(tmp_path: Path) -> None:
    done = warm.run("-c", FORKED, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert htmu_diag.load_run(tmp_path).steps == (0, 1, 2, 3)
    curve = EventAccumulator(str(tmp_path)).Reload().Scalars("weights_stable_rank/0.weight")
    assert [event.step for event in curve] == [0, 1, 2, 3]


def test_a_process_that_leaves_without_a_word_loses_at_most_what_was_under_way(tmp_path: Path) -> None:
    with training(tmp_path, "task.train(7); import os; os._exit(3)") as process:
        seen = rest(process)
        assert process.returncode == 3
    steps = htmu_diag.load_run(tmp_path).steps
    assert steps[: len(seen)] == tuple(seen)
    assert len(steps) >= 8 - 3  # two places and the step in hand


def test_an_error_of_the_training_loses_nothing(tmp_path: Path) -> None:
    with training(tmp_path, "task.train(3); raise ValueError('diverged')") as process:
        assert rest(process) == [0, 1, 2, 3]
        assert process.returncode == 1
    assert htmu_diag.load_run(tmp_path).steps == (0, 1, 2, 3)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_ends_the_training_and_completes_the_run(tmp_path: Path, number: int, code: int) -> None:
    with training(tmp_path, ENDLESS) as process:
        seen = steps_until(process, 5)
        process.send_signal(number)
        seen += rest(process)
        assert process.returncode == code
    assert seen == list(range(len(seen)))
    assert htmu_diag.load_run(tmp_path).steps == tuple(seen)
    assert not htmu_diag.load_run(tmp_path).dropped


def test_a_signal_that_the_user_handles_stays_the_users(tmp_path: Path) -> None:
    before = "import signal; signal.signal(signal.SIGTERM, lambda *_: (print('mine', flush=True), sys.exit(7)))"
    with training(tmp_path, ENDLESS, before) as process:
        steps_until(process, 2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=200)
        assert "mine" in out
        assert process.returncode == 7


@pytest.mark.parametrize("seed", range(2))
def test_a_kill_at_any_moment_loses_at_most_the_snapshots_in_flight(task: Task, tmp_path: Path, seed: int) -> None:
    """Two of a model this small, beside the step just taken; numbers that are not made yet can be made later."""
    with training(tmp_path, "while True: task.train(1); (tmp / str(monitor.steps_taken)).touch()", STEPS) as process:
        seen = steps_until(process, 3)
        time.sleep(random.Random(seed).uniform(0, 0.3))
        process.kill()
        seen += rest(process)
    taken = max(int(mark.name) for mark in (tmp_path / "taken").iterdir())
    run = htmu_diag.load_run(tmp_path)
    assert seen == list(run.steps)[: len(seen)]
    assert run.steps == tuple(range(len(run.steps)))
    assert taken + 1 - len(run.steps) <= 3
    assert len(run.diagnose(run.steps[-1]).diagnoses) == 2
    assert [s.source.name for s in run.spectra()] == ["0.weight", "2.weight"]
    htmu_diag.watch(task.model, log_dir=tmp_path, every=1, start_step=2).close()
    assert htmu_diag.load_run(tmp_path).steps == (0, 1, 2)


def test_a_second_process_leaves_the_folder_to_the_first_while_that_one_lives(task: Task, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with training(folder, ENDLESS) as first:
        steps_until(first, 1)
        with pytest.raises(StorageError, match="is being written by process"):
            htmu_diag.watch(task.model, log_dir=folder, start_step=1)
        htmu_diag.watch(task.model, log_dir=folder).close()
        assert htmu_diag.load_run(tmp_path / "run-2").steps == (0,)
    htmu_diag.watch(task.model, log_dir=folder, start_step=1).close()
    assert htmu_diag.load_run(folder).steps == (0, 1)
