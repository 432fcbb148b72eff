"""How modest the process beside the training is, and that it is not where somebody waits for it."""

import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from htmu_diag import beside as beside_module
from htmu_diag.analysis import Diagnoser, diagnose
from htmu_diag.errors import MeasurementError
from tests.analysis.conftest import OPTIONS
from tests.analysis.test_diagnoser import spectrum

sessions = pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="Linux schedules by sessions there, where it is on"
)


@sessions
def test_the_process_is_modest_beside_the_training_and_not_when_it_is_waited_for(beside: Diagnoser) -> None:
    beside(spectrum())
    assert beside._process is not None
    group = Path(f"/proc/{beside._process.pid}/autogroup")
    for wanted, ask in [(0, lambda: beside.awaited(True)), (10, lambda: beside.awaited(False)), (0, beside.hurry)]:
        time.sleep(0.11)  # the kernel takes one change in 100 ms
        ask()
        assert group.read_text().endswith(f"nice {wanted}\n")


@sessions
def test_whoever_waits_since_the_start_is_not_overruled_by_the_process(beside: Diagnoser) -> None:
    """It takes some milliseconds to run, and starves for as long as a busy machine likes if it is modest then."""
    beside.awaited(True)
    beside._start()
    assert beside._process is not None
    group = Path(f"/proc/{beside._process.pid}/autogroup")
    assert group.read_text().endswith("nice 0\n")
    beside.hurry()
    beside(spectrum())
    assert group.read_text().endswith("nice 0\n")


@sessions
def test_a_priority_that_was_changed_just_now_is_changed_a_little_later(
    beside: Diagnoser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel answers those who are not root: once in 100 ms for all processes together."""
    beside._start()
    assert beside._process is not None
    group, change = Path(f"/proc/{beside._process.pid}/autogroup"), beside_module._between_sessions
    refused = []

    def sometimes(process: subprocess.Popen[bytes], niceness: int) -> None:
        if not refused:
            refused.append(niceness)
            raise BlockingIOError
        change(process, niceness)

    monkeypatch.setattr(beside_module, "ONE_CHANGE", 0.02)
    monkeypatch.setattr(beside_module, "_between_sessions", sometimes)
    beside.hurry()
    deadline = time.monotonic() + 20
    while not group.read_text().endswith("nice 0\n"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert refused == [0]


def test_none_is_started_when_the_end_is_waited_for(beside: Diagnoser, told: list[MeasurementError]) -> None:
    """Its imports would have to be done within the limit for an answer."""
    beside.hurry()
    np.testing.assert_equal(beside(spectrum()).numbers, diagnose(spectrum(), OPTIONS).numbers)
    assert beside._process is None
    assert told == []
