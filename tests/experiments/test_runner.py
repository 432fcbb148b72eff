"""The processes of a sweep run no module of the current folder."""

import subprocess
import sys
from pathlib import Path

from htmu_diag.experiments.runner import _PROGRAM

ROOT = Path(__file__).parents[2]


def test_a_worker_runs_no_module_of_the_current_folder(tmp_path: Path) -> None:
    for name in ("json", "runpy", "numpy", "htmu_diag", "argparse"):
        (tmp_path / f"{name}.py").write_text("open('ran', 'w').close()\n")
    command = [sys.executable, "-c", _PROGRAM, str(ROOT), "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.startswith("htmu"), done.stderr[-400:]
    assert not (tmp_path / "ran").exists()
