"""The scripts that people copy run as their docstring says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import htmu_diag

ROOT = Path(__file__).parents[1]


def test_train_mlp_runs_and_leaves_a_run_that_can_be_read(tmp_path: Path) -> None:
    out = tmp_path / "a run"
    command = [
        sys.executable,
        str(ROOT / "scripts" / "train_mlp.py"),
        "--steps",
        "40",
        "--every",
        "20",
        "--out",
        str(out),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert htmu_diag.load_run(out).steps == (0, 20, 40)
    assert "0.weight" in done.stdout
    assert "tensorboard --logdir" in done.stdout
