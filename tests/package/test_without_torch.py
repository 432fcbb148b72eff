"""Without torch everything works that reads, fits, compares and shows; what measures says what to install."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import htmu_diag
from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.errors import MissingPackage
from htmu_diag.extras import missing
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store

ROOT = Path(__file__).parents[2]
MEASURES = {"watch", "Monitor", "empirical_ntk", "ntk_operator", "conjugate_kernel", "input_output_jacobian"}
CODE = """
import contextlib, io, json, sys
for name in ("torch", "torchvision", "lightning", "transformers", "accelerate"):
    sys.modules[name] = None  # importing it is a ModuleNotFoundError
import htmu_diag
from htmu_diag.cli import main
import htmu_diag.tensorboard_plugin.plugin

missing, said = [], {}
for name in htmu_diag.__all__:
    try:
        getattr(htmu_diag, name)
    except ImportError as error:
        missing.append(name)
        said[name] = str(error)
run, codes = sys.argv[1], {}
for line in ("show RUN", "show RUN --json", "compare RUN RUN", "export RUN --csv", "report RUN --out RUN/page.html",
             "doctor --folder RUN", "sweep temperature --print", "train digits_mlp", "fetch mnist", "analyze RUN",
             "sweep phases --out RUN/sweep", "sweep labels --out RUN/sweep"):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as errors:
        code = main(line.replace("RUN", run).split())
    codes[line] = [code, errors.getvalue()]
for module in ("lightning", "transformers"):
    try:
        __import__(f"htmu_diag.integrations.{module}")
    except ImportError as error:
        said[module] = str(error)
fit = htmu_diag.load_run(run).diagnose(3).diagnoses[0]
print(json.dumps({"missing": missing, "said": said, "codes": codes, "alpha": fit.numbers["alpha"]}))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    values = np.sort(np.random.default_rng(0).pareto(1.5, 200))
    source = Source(name="fc.weight", kind=Kind.WEIGHTS, shape=(200, 300))
    spectra, options = [Spectrum.exact(values, source)], Options(bootstrap=0)
    with Store(folder) as store:
        store.write(3, spectra)
        store.write_numbers(3, spectra, [Reading.of(diagnose(spectra[0], options))], options, wall_time=0.0)
    return folder


def test_the_analysis_half_needs_no_torch(run: Path) -> None:
    command = [sys.executable, "-c", CODE, str(run)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["missing"]) == MEASURES
    said = found["said"]
    for extra, name in (("lightning", "SpectraCallback"), ("transformers", "SpectraTrainerCallback")):
        assert said.pop(extra) == f"{name} needs {extra}, which is not installed; pip install 'htmu_diag[{extra}]'"
    for name, sentence in said.items():
        assert sentence.startswith(f"htmu_diag.{name} needs torch, which is not installed; pip install ")
    needing = {line for line, (code, _) in found["codes"].items() if code == 2}
    sweeps = {"sweep phases --out RUN/sweep", "sweep labels --out RUN/sweep"}
    assert needing == {"train digits_mlp", "fetch mnist", "analyze RUN", *sweeps}
    assert not (run / "sweep").exists()
    assert all(code == 0 for line, (code, _) in found["codes"].items() if line not in needing), found["codes"]
    assert "htmu train needs torch, which is not installed; pip install 'htmu_diag[train]'" in str(found["codes"])
    assert found["alpha"] == htmu_diag.load_run(run).diagnose(3).diagnoses[0].numbers["alpha"]


def test_a_package_that_is_not_ours_keeps_its_own_error() -> None:
    assert missing("x", ModuleNotFoundError(name="flax.linen")) is None
    assert isinstance(missing("x", ModuleNotFoundError(name="torch.nn")), MissingPackage)
