"""The direction of imports is a fact of the source tree, read from its syntax."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "htmu_diag"

# room -> the rooms it may import from; every room may import errors, spectrum, _version and itself
GROUND = {
    "arguments",
    "beside",
    "cores",
    "errors",
    "extras",
    "kinds",
    "missing_path",
    "narrow",
    "nearest",
    "own_process",
    "plugins",
    "skipped",
    "spectrum",
    "stacked",
    "series",
    "files",
    "plain_files",
    "plain_yaml",
    "safe_text",
    "undisturbed",
    "rich_import",
    "warned",
    "_version",
}
LAWS, FITS, THEORY, ANALYSIS = (
    {"laws"},
    {"laws", "fits"},
    {"laws", "fits", "theory"},
    {"laws", "fits", "theory", "analysis"},
)
MEASURE = {"model", "ranks", "matrices", "operators", "solvers", "probes"}
MIDDLE = {"storage", "report", "sinks", "recording", "monitor", "offline", "config", "training"}
MAY_IMPORT: dict[str, set[str]] = {
    "arguments": set(),
    "beside": set(),
    "cores": set(),
    "errors": set(),
    "extras": set(),
    "kinds": set(),
    "missing_path": set(),
    "narrow": set(),
    "nearest": set(),
    "own_process": {"undisturbed"},
    "plugins": set(),
    "skipped": set(),
    "spectrum": set(),
    "stacked": set(),
    "series": set(),
    "_version": set(),
    "plain_files": set(),
    "plain_yaml": set(),
    "undisturbed": set(),
    "rich_import": set(),
    "warned": set(),
    "safe_text": set(),
    "laws": set(),
    "fits": LAWS,
    "theory": FITS,
    "analysis": THEORY,
    "files": set(),
    "model": set(),
    "ranks": {"model"},
    "counting": {"model"},
    "matrices": {"model"},
    "operators": {"model", "matrices"},
    "solvers": {"model", "matrices", "operators"},
    "probes": {"model", "ranks", "matrices", "operators", "solvers"},
    "storage": ANALYSIS,
    "ui": ANALYSIS,
    "report": ANALYSIS | {"storage", "ui"},
    "sinks": ANALYSIS | {"storage", "ui", "report"},
    "recording": ANALYSIS | MEASURE | {"storage", "report", "sinks"},
    "voice": ANALYSIS | MEASURE | {"counting", "storage", "report", "sinks", "recording"},
    "monitor": ANALYSIS | MEASURE | {"counting", "voice", "storage", "report", "sinks", "recording"},
    "model_analysis": {"offline"},  # the former name
    "offline": ANALYSIS | MEASURE | {"storage", "report", "sinks", "recording"},
    "config": ANALYSIS,
    "training": ANALYSIS | MEASURE | MIDDLE,
    "experiments": ANALYSIS | MEASURE | MIDDLE,
    "integrations": ANALYSIS | MEASURE | MIDDLE,
    "tensorboard_plugin": ANALYSIS | {"ui"},
    "doctor": set(),
    "cli": ANALYSIS | MEASURE | MIDDLE | {"integrations", "experiments", "doctor"},
    "testing": ANALYSIS | MEASURE | {"storage", "report", "sinks"},
    "__main__": {"cli"},
}
NO_TORCH = {
    "laws",
    "fits",
    "theory",
    "analysis",
    "storage",
    "sinks",
    "report",
    "config",
    "ui",
    "tensorboard_plugin",
} | GROUND


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_from_what_stands_above_it(path: Path) -> None:
    here = room(path)
    rooms = {name.split(".")[1] for name in imported_modules(path) if name.startswith("htmu_diag.")}
    known = {name for name in rooms if name in MAY_IMPORT}
    assert known <= MAY_IMPORT[here] | GROUND | {here}


@pytest.mark.parametrize("path", [p for p in SOURCES if room(p) in NO_TORCH], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_analysis_wing_never_imports_torch(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported_modules(path)}
    assert not roots & {"torch", "torchvision"}


def test_importing_the_package_imports_neither_torch_nor_matplotlib_nor_powerlaw() -> None:
    code = "import sys, htmu_diag; print([m for m in ('torch', 'matplotlib', 'powerlaw', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"
