"""The wheel alone, in an environment of its own and without the source tree, does what the README promises."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from htmu_diag import __version__

ROOT = Path(__file__).parents[2]
ASK = """
import sys
from importlib.metadata import entry_points, version
from pathlib import Path
import htmu_diag
assert Path(htmu_diag.__file__).is_relative_to(sys.prefix), htmu_diag.__file__
[point] = [one for one in entry_points(group="tensorboard_plugins") if one.value.startswith("htmu_diag.")]
print(version("htmu_diag"), point.load().__name__)
"""

NOTEBOOK = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
long, short = "every=100), steps=400", "every=20), steps=40"  # a tenth of the training
assert sum(long in cell.source for cell in notebook.cells) == 1
for cell in notebook.cells:
    cell.source = cell.source.replace(long, short)
notebook.cells.append(nbformat.v4.new_code_cell("import sys; print(htmu_diag.__file__.startswith(sys.prefix), end='')"))
NotebookClient(notebook, timeout=240).execute()
outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
print(outputs[-1].text, sum("image/png" in output.get("data", {}) for output in outputs))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as pip builds it, by the backend that is installed (no network)."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """An interpreter whose environment holds the wheel; its libraries are the ones of this process."""
    folder = wheel.parent / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [packages] = (folder / "lib").glob("python*/site-packages") if os.name != "nt" else [folder / "Lib/site-packages"]
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True)
    places = [place for place in sys.path if "site-packages" in place] or site.getsitepackages()
    (packages / "libraries.pth").write_text("\n".join(places))
    return python


def test_the_wheel_holds_what_is_no_python(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {f"htmu_diag/configs/{path.name}" for path in (ROOT / "configs").glob("*.yaml")}
    assert configs
    assert configs | {"htmu_diag/py.typed", "htmu_diag/experiments/sweeps/temperature.yaml"} <= names
    assert not {name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))}
    for path in (ROOT / "configs").glob("*.yaml"):
        assert zipfile.ZipFile(wheel).read(f"htmu_diag/configs/{path.name}") == path.read_bytes()


def test_the_tab_is_found_and_the_package_is_the_wheel_s(python: Path, tmp_path: Path) -> None:
    done = subprocess.run([python, "-c", ASK], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [__version__, "Loader"], done.stderr


@pytest.mark.slow
def test_the_demo_trains_by_name_and_its_run_can_be_shown(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    htmu = python.with_name("htmu")
    command = [htmu, "train", "digits_mlp", "--steps", "50", "--monitor.bootstrap", "0", "--out", "runs/demo"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "page:        runs/demo/report.html" in done.stdout
    shown = subprocess.run([htmu, "show", "runs/demo"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "fc1.weight" in shown.stdout, shown.stderr
    assert "step 50 (2 measured steps" in shown.stdout


@pytest.mark.slow
def test_the_first_notebook_runs_without_the_source_tree(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbclient")
    command = [python, "-c", NOTEBOOK, ROOT / "notebooks" / "01_quickstart.ipynb"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": "", "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "3"], done.stderr
