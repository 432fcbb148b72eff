"""However a training process ends, what it measured is there. Real processes, real signals."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import htmu_diag
from htmu_diag.errors import StorageError
from tests.monitor.helpers import Task

TRAINING = """
import sys
import htmu_diag
from htmu_diag.sinks import MemorySink
from tests.monitor.helpers import Task

class Reporting(MemorySink):
    def write(self, record):
        print(record.step, flush=True)

task = Task()
{before}
monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=sys.argv[1], every=1, sinks=[Reporting(keep=1)])
{loop}
"""
ENDLESS = "while True: task.train(1)"


@contextmanager
def training(folder: Path, loop: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
    """A training process whose output is the steps that were recorded."""
    script = TRAINING.format(loop=loop, before=before)
    command = [sys.executable, "-c", script, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def steps_until(process: subprocess.Popen[str], wanted: int) -> list[int]:
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(wanted)]


def rest(process: subprocess.Popen[str]) -> list[int]:
    out, _ = process.communicate(timeout=60)
    return [int(line) for line in out.splitlines() if line.isdigit()]


def test_a_script_that_forgets_to_close_loses_nothing(tmp_path: Path) -> None:
    with training(tmp_path, "task.train(7)") as process:
        assert rest(process) == list(range(8))
        assert process.returncode == 0
    assert htmu_diag.load_run(tmp_path).steps == tuple(range(8))


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
        out, _ = process.communicate(timeout=60)
        assert "mine" in out
        assert process.returncode == 7


@pytest.mark.parametrize("seed", range(2))
def test_a_kill_at_any_moment_loses_at_most_the_snapshot_in_flight(task: Task, tmp_path: Path, seed: int) -> None:
    with training(tmp_path, ENDLESS) as process:
        seen = steps_until(process, 3)
        time.sleep(random.Random(seed).uniform(0, 0.3))
        process.kill()
        seen += rest(process)
    run = htmu_diag.load_run(tmp_path)
    assert seen == list(run.steps)[: len(seen)]
    assert len(run.steps) - len(seen) <= 1
    assert [s.source.name for s in run.spectra()] == ["0.weight", "2.weight"]
    htmu_diag.watch(task.model, log_dir=tmp_path, every=1, start_step=2).close()
    assert htmu_diag.load_run(tmp_path).steps == (0, 1, 2)


def test_a_second_process_is_refused_while_the_first_one_lives(task: Task, tmp_path: Path) -> None:
    with training(tmp_path, ENDLESS) as first:
        steps_until(first, 1)
        with pytest.raises(StorageError, match="is being written by process"):
            htmu_diag.watch(task.model, log_dir=tmp_path)
    htmu_diag.watch(task.model, log_dir=tmp_path).close()
