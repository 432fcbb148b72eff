"""A mistyped argument is an error in both type checkers, and no public name is Any."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import htmu_diag

ROOT = Path(__file__).parents[2]
RIGHT = """\
from collections.abc import Iterator
import numpy as np
import torch
from htmu_diag import Kind, Monitor, Spectrum, diagnose, load_run, watch
from htmu_diag.probes import StepContext

class Mine:
    name = "mine"
    needs = frozenset({"model"})
    kinds = (Kind("mine", bulk=True),)

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        yield from ()

monitor: Monitor = watch(torch.nn.Linear(3, 3), log_dir="x", every=3, probes=["weights"])
monitor.log({"loss": 1.0}, 3)
steps: list[int] = list(load_run("x").steps)
watch(torch.nn.Linear(3, 3), probes=[Mine(), "ntk"], every={"weights": 5, "ntk": "log", "mine": np.arange(3)})
diagnose([1.0, 2.0], shape=(2, 3))
"""
WRONG = """\
import torch, htmu_diag
from htmu_diag import laws, load_run, offline, report, watch

watch(torch.nn.Linear(3, 3), log_dir="x", evry=3)
watch(torch.nn.Linear(3, 3), on_exists="overwrite")
load_run("x").stepps
htmu_diag.load_runs
laws.HTPM
report.esd_figures
offline.analyse
htmu_diag.Kind("gates", bulky=True)
htmu_diag.diagnose([1.0, 2.0], shap=(2, 3))
"""
WRONG_LINES = set(range(4, 13))


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG)
    names = [name for name in htmu_diag.__all__ if name != "__version__"]
    (folder / "names.py").write_text("import htmu_diag\n" + "\n".join(f"reveal_type(htmu_diag.{n})" for n in names))
    return folder


def test_mypy_strict_refuses_what_is_mistyped(programs: Path) -> None:
    pytest.importorskip("mypy")
    # in the checkout, with its settings: what `make check` has read once is not read again
    command = [sys.executable, "-m", "mypy", str(programs / "right.py"), str(programs / "wrong.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    errors = [line.split(":") for line in done.stdout.splitlines() if ": error:" in line]
    assert {(Path(parts[0]).name, int(parts[1])) for parts in errors} == {("wrong.py", n) for n in WRONG_LINES}
    assert '"evry" for "watch"; did you mean "every"?' in done.stdout


def test_pyright_refuses_it_too_and_knows_every_public_name(programs: Path) -> None:
    pytest.importorskip("pyright")
    if shutil.which("node") is None:
        pytest.skip("pyright runs on node, which is not installed")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(programs)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout)["generalDiagnostics"]
    lines = {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in found if one["severity"] == "error"}
    assert lines == {("wrong.py", number) for number in WRONG_LINES}
    told = [one["message"] for one in found if one["severity"] == "information"]
    assert len(told) == len(htmu_diag._PUBLIC)
    assert not [line for line in told if '" is "Any' in line or "Unknown" in line or "Module(" in line]
