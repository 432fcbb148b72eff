"""Which modules are slow as a whole, and what no test is about unless it says so.

Slow: processes of their own, trainings, or many draws. Long (`long.txt`): all others that took two seconds or more in a
whole run of four processes on two cores. `make quick` leaves both out.
"""

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from htmu_diag.analysis import diagnoser
from htmu_diag.recording import decomposer, recorder
from htmu_diag.voice import notices
from tests import warm

SLOW = (
    "golden/test_killed_run.py",
    "integrations/",
    "monitor/test_at_exit.py",
    "monitor/test_notebook.py",
    "monitor/test_sigint.py",
    "matrices/test_architectures.py",
    "matrices/test_memory.py",
    "matrices/test_sharded.py",
    "offline/test_oracles.py",
    "offline/test_ranks.py",
    "oracles/",
    "power/",
    "model/test_bit_identical.py",
    "storage/test_crash.py",
    "test_ntk_script.py",
    "test_scripts.py",
    "training/test_emergence.py",
    "training/test_train.py",
)


LONG = frozenset(Path(__file__).with_name("long.txt").read_text().split())


def pytest_configure(config: pytest.Config) -> None:
    """What is about the host is tried on the host, also where there is a device; `make gpu` names tests/gpu."""
    if not any("gpu" in Path(argument).parts for argument in config.args):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    servers = ExitStack()
    servers.enter_context(warm.shared())  # of this process, or of the one that started this worker
    config.add_cleanup(servers.close)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Helpers have no doctests, and some import what one test in a hundred needs."""
    return True if collection_path.suffix == ".py" and not collection_path.name.startswith("test_") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.as_posix()
        if any(f"/tests/{slow}" in path for slow in SLOW):
            item.add_marker(pytest.mark.slow)
        if path.rpartition("/tests/")[2] in LONG:
            item.add_marker(pytest.mark.long)


@pytest.fixture(autouse=True)
def _waiting_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a training of milliseconds waits for its snapshots; tests that count warnings never see it."""
    monkeypatch.setattr(notices, "LONG_WAIT", float("inf"))


@pytest.fixture(autouse=True)
def _fits_have_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be started once for each training that has half a second of fits, which is more than most tests take;
    that it changes no bit is a test of its own (analysis/test_diagnoser.py)."""
    monkeypatch.setattr(diagnoser, "PATIENCE", float("inf"))
    monkeypatch.setattr(recorder, "LONG_QUEUE", float("inf"))
    monkeypatch.setattr(decomposer, "LONG", float("inf"))
