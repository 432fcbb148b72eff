"""Every notebook runs from top to bottom, is stored with its outputs, and begins by installing what is missing.

The first one is run in ``package/test_wheel.py``, from the wheel and in a kernel of Jupyter's.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import warm
from tests.later import Later

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

nbformat = Later("nbformat")
Later("IPython")

CELLS = """
import sys, nbformat
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

shell, pictures = InteractiveShell.instance(), 0
for cell in nbformat.read(sys.argv[1], as_version=4).cells:
    if cell.cell_type == "code":
        with capture_output() as shown:
            result = shell.run_cell(cell.source)
        result.raise_error()
        pictures += sum("image/png" in output.data for output in shown.outputs)
print(pictures)
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_it_is_read(path: Path) -> None:
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert "%pip install" in cells[0].source
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "error"]
    assert all(str(ROOT) not in str(output) and "/tmp/" not in str(output) for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """Its cells in IPython's shell; a kernel of Jupyter's would import torch anew for each of them."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "HTMU_QUICK": "1"}
    done = warm.run("-c", CELLS, str(path), cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 0, done.stdout
