"""A Jupyter kernel as its user treats it: cells interrupted and run again, the kernel killed and started anew."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from htmu_diag.storage import load_run
from tests.later import Later

nbformat = Later("nbformat")
nbclient = Later("nbclient")

ROOT = Path(__file__).parents[2]
SETUP = """
import os, signal, sys, time
import torch
import htmu_diag
from htmu_diag.analysis import Options
from tests.monitor.helpers import Task
task = Task()
choices = {"log_dir": "run", "every": 2, "options": Options(bootstrap=0)}
"""
WATCH = "monitor = htmu_diag.watch(task.model, task.optimizer, **choices)"
ENDLESS = "while True:\n    task.train(1)\n    print(monitor.steps_taken, flush=True)\n    time.sleep(0.005)"
FORGOTTEN = "htmu_diag.watch(task.model, task.optimizer, start_step=4, **choices)\ntask.train(3)"


class Notebook:
    """Cells of one kernel, run one at a time."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def run(self, source: str, interrupt_at: str = "") -> str:
        """What a cell prints, or its error; interrupted once it has printed that line."""
        cell = nbformat.v4.new_code_cell(source)
        self._client.nb.cells.append(cell)
        watcher = threading.Thread(target=self._interrupt, args=(cell, interrupt_at))
        if interrupt_at:
            watcher.start()
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        if interrupt_at:
            watcher.join()
        return "".join(o.get("text", "") or f"{o.get('ename', '')}: {o.get('evalue', '')}" for o in cell.outputs)

    def _interrupt(self, cell: Any, line: str) -> None:
        while not any(line in output.get("text", "").splitlines() for output in cell.outputs):
            threading.Event().wait(0.01)
        asyncio.run(self._client.km.interrupt_kernel())


@contextmanager
def kernel(folder: Path) -> Iterator[Notebook]:
    client = nbclient.NotebookClient(
        nbformat.v4.new_notebook(), timeout=100, allow_errors=True, resources={"metadata": {"path": str(folder)}}
    )
    with client.setup_kernel():
        yield Notebook(client)


def test_a_notebook_is_interrupted_run_again_killed_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with kernel(tmp_path) as notebook:
        assert notebook.run(SETUP) == ""
        assert notebook.run(WATCH).startswith("htmu_diag: measuring weights of 2 matrices every 2 steps; into run")
        assert "KeyboardInterrupt" in notebook.run(ENDLESS, interrupt_at="20")
        refused = notebook.run(WATCH)
        assert "another monitor or store of this same process" in refused
        assert "call its close() first" in refused
        taken = int(notebook.run("monitor.flush(); task.train(2); monitor.flush(); print(monitor.steps_taken)"))
        missing = set(range(0, taken + 1, 2)) - set(load_run(tmp_path / "run").steps)
        assert len(missing) <= 1  # Ctrl-C ends a measurement at once: the one it fell into, if into any
        assert not missing or min(missing) >= 20
        with pytest.raises(nbclient.exceptions.DeadKernelError):
            notebook.run("os.kill(os.getpid(), signal.SIGKILL)")
    with kernel(tmp_path) as notebook:
        notebook.run(SETUP)
        assert "Error" not in notebook.run(FORGOTTEN)
    run = load_run(tmp_path / "run")
    assert run.steps == (0, 2, 4, 6)
    assert not run.dropped
