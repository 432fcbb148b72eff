"""A process beside the training gives the numbers that the training's own process would give, or steps aside."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from htmu_diag import beside as beside_module
from htmu_diag.analysis import QUANTITIES, Diagnoser, Diagnosis, diagnose, summarize
from htmu_diag.analysis import density as density_module
from htmu_diag.analysis import diagnoser as diagnoser_module
from htmu_diag.analysis.density import density
from htmu_diag.analysis.packed import table
from htmu_diag.errors import MeasurementError
from htmu_diag.spectrum import Kind, Source, Spectrum
from tests.analysis.conftest import OPTIONS


def spectrum(seed: int = 0, n: int = 30) -> Spectrum:
    noise = np.random.default_rng(seed).standard_normal((n, 2 * n))
    source = Source(Kind.WEIGHTS, f"layer{seed}", (n, 2 * n), 7)
    return Spectrum.exact(np.linalg.eigvalsh(noise @ noise.T / (2 * n)), source)


def test_a_process_gives_the_same_numbers_to_the_last_bit(beside: Diagnoser, told: list[MeasurementError]) -> None:
    for seed in range(3):
        given = spectrum(seed)
        np.testing.assert_equal(beside(given).numbers, diagnose(spectrum(seed), OPTIONS).numbers)
        assert beside(given).spectrum is given
    assert beside._process is not None
    assert beside._process.poll() is None
    group = Path(f"/proc/{beside._process.pid}/autogroup")  # what counts between sessions, where Linux has it
    assert not group.exists() or group.read_text().endswith(f"nice {diagnoser_module.PRIORITY}\n")
    assert not told


def test_the_process_makes_the_numbers_and_the_density_that_would_be_made_beside_the_training(
    told: list[MeasurementError], monkeypatch: pytest.MonkeyPatch
) -> None:
    diagnoser = Diagnoser(OPTIONS, told.append, patience=0.0, drawn=True)
    answer, here = diagnoser(spectrum(1)), density(diagnose(spectrum(1), OPTIONS))
    diagnoser.close()
    monkeypatch.setattr(density_module, "density_of", lambda *_: pytest.fail("a density was made here"))
    came = density(answer)
    assert came is not None
    assert here is not None
    np.testing.assert_array_equal(came.packed(), here.packed())
    assert "computed" in vars(answer)


def test_fits_stay_packed_until_one_is_asked_for_and_are_then_those_that_would_be_made_here(
    beside: Diagnoser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As objects they would count for Python's garbage collection, which holds its lock for 0.2 s with torch."""
    answer, here = beside(spectrum(2)), diagnose(spectrum(2), OPTIONS)
    monkeypatch.setattr(pickle, "loads", lambda _: pytest.fail("the fits were unpacked"))
    table([answer], tuple(here.numbers)), summarize([answer]), answer.texts, answer.prediction_stands
    assert "tail" not in vars(answer)
    monkeypatch.undo()
    copied = pickle.loads(pickle.dumps(answer))
    for each in fields(Diagnosis):
        assert repr(getattr(answer, each.name)) == repr(getattr(here, each.name)) == repr(getattr(copied, each.name))
    assert answer.verdict == here.verdict
    with pytest.raises(AttributeError, match="'Diagnosis' object has no attribute 'tails'"):
        _ = answer.tails  # type: ignore[attr-defined]


def test_a_quantity_that_the_process_does_not_know_is_not_lost(
    beside: Diagnoser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe from outside has declared it in the training's process only."""
    monkeypatch.setitem(QUANTITIES, "span", replace(QUANTITIES["trace"], name="span"))
    brought = replace(spectrum(), scalars={"span": 2.5})
    assert beside(brought).numbers["span"] == 2.5


def test_it_starts_when_diagnosing_has_taken_its_time(told: list[MeasurementError]) -> None:
    diagnoser = Diagnoser(OPTIONS, told.append, patience=1e-4)
    diagnoser(spectrum())
    assert diagnoser._process is None
    diagnoser(spectrum())
    process = diagnoser._process
    assert process is not None
    diagnoser.close()
    diagnoser.close()
    assert process.returncode is not None


@pytest.mark.parametrize("hurried", [False, True])
def test_a_process_that_is_stopped_is_ended_and_replaced(
    told: list[MeasurementError], monkeypatch: pytest.MonkeyPatch, hurried: bool
) -> None:
    """SIGSTOP is what a debugger, a frozen container or a full swap does to it."""
    beside = Diagnoser(OPTIONS, told.append, patience=0.0)
    beside(spectrum())
    if hurried:
        monkeypatch.setattr(beside_module, "ENDS_WITHIN", 0.5)
    else:
        beside._limit = 0.5
    process = beside._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    if hurried:
        threading.Timer(0.2, beside.hurry).start()
    np.testing.assert_equal(beside(spectrum(1)).numbers, diagnose(spectrum(1), OPTIONS).numbers)
    assert process.returncode == -signal.SIGKILL
    assert len(told) == 1
    assert "did not answer" in str(told[0])
    beside.close()


def test_an_interrupt_is_not_for_the_process_not_even_while_it_starts(
    beside: Diagnoser, told: list[MeasurementError]
) -> None:
    beside._start()
    assert beside._process is not None
    beside._process.send_signal(signal.SIGINT)
    assert repr(beside(spectrum()).numbers) == repr(diagnose(spectrum(), OPTIONS).numbers)
    assert told == []


def test_closing_ends_a_stopped_process(beside: Diagnoser) -> None:
    beside(spectrum())
    process = beside._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    beside.close()
    assert process.returncode == -signal.SIGKILL


def test_a_process_that_dies_costs_one_sentence_and_no_number(beside: Diagnoser, told: list[MeasurementError]) -> None:
    beside(spectrum())
    assert beside._process is not None
    beside._process.kill()
    for seed in range(2):
        np.testing.assert_equal(beside(spectrum(seed)).numbers, diagnose(spectrum(seed), OPTIONS).numbers)
    assert beside._process is None
    assert len(told) == 1
    assert "the process that diagnoses ended" in str(told[0])


def test_without_a_python_to_start_it_diagnoses_itself(
    beside: Diagnoser, told: list[MeasurementError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert beside(spectrum()).source.name == "layer0"
    assert len(told) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_closing_does_not_wait_for_a_forked_child_that_holds_the_pipe(beside: Diagnoser) -> None:
    beside(spectrum())
    child = os.fork()
    if child == 0:
        time.sleep(100)
        os._exit(0)
    try:
        beside.close()
        assert os.waitpid(child, os.WNOHANG) == (0, 0)  # it still lives
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


PARENT = """
import os, sys, time
from tests.analysis.test_diagnoser import spectrum
from htmu_diag.analysis import Diagnoser
diagnoser = Diagnoser(None, print, patience=0.0)
diagnoser(spectrum())
if os.fork() == 0:
    os.close(1)
    time.sleep(30)  # a data loader's worker, which holds the pipe open
print(diagnoser._process.pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to look at another process")
def test_it_ends_with_a_parent_that_is_killed_while_others_hold_the_pipe() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", PARENT], cwd=root, stdout=subprocess.PIPE, text=True, timeout=120)
    deadline = time.monotonic() + 20
    while is_alive(int(done.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


HOSTILE = "open({!r}, 'w').write('ran'); raise SystemExit"


@pytest.mark.parametrize("started", ["from the folder", "with -c", "by its path"])
def test_the_process_runs_no_module_of_the_current_folder(started: str, tmp_path: Path) -> None:
    """Modules of the standard library that this process has, and the other has not yet imported, lie there."""
    ran = tmp_path / "ran"
    program = (
        "import sys; from htmu_diag.analysis import Diagnoser\n"
        "from htmu_diag.spectrum import Kind, Source, Spectrum\n"
        "import json, importlib.util, pickle, numpy, scipy.optimize, scipy.stats, csv, random, statistics\n"
        f"for name in ('json', 'csv', 'random', 'pickle', 'importlib', 'numpy', 'scipy', 'site', 'htmu_diag'):\n"
        f"    open({str(tmp_path)!r} + '/' + name + '.py', 'w').write({HOSTILE.format(str(ran))!r})\n"
        "source = Source(Kind.WEIGHTS, 'w', (20, 40), 1)\n"
        "told = []\n"
        "beside = Diagnoser(None, told.append, patience=0.0)\n"
        "print(beside(Spectrum.exact(range(1, 21), source)).shape.lambda_max, told)\n"
        "beside.close()\n"
    )
    (tmp_path / "start.py").write_text(program)
    call = {"with -c": ["-c", program], "by its path": ["start.py"], "from the folder": ["-m", "start"]}[started]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, *call], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["20.0", "[]"], done.stderr[-400:]
    assert not ran.exists()
