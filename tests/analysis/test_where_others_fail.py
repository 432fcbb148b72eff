"""What weightwatcher 0.7.7 gets wrong without a word, each as a fact of ours. Layers it drops are in tests/matrices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from htmu_diag.analysis import Options, diagnose, summarize
from htmu_diag.errors import MeasurementError
from htmu_diag.fits import fit_power_law
from htmu_diag.matrices import matrices
from htmu_diag.solvers import matrix_spectrum

FAST = Options(bootstrap=0)


def heavy(rows: int, columns: int, seed: int = 0) -> nn.Linear:
    layer = nn.Linear(columns, rows, bias=False)
    weights = np.random.default_rng(seed).standard_t(2, (rows, columns))
    layer.weight = nn.Parameter(torch.tensor(weights, dtype=torch.float32))
    return layer


def spectrum(layer: nn.Module, scale: float = 1.0):  # type: ignore[no-untyped-def]
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter *= scale
    (matrix,) = matrices(layer)
    return matrix_spectrum(matrix)


@pytest.mark.parametrize("scale", [2.0**-10, 2.0**-40, 2.0**20])
def test_exponents_do_not_depend_on_the_scale_of_the_weights(scale: float) -> None:
    one, other = (diagnose(spectrum(heavy(80, 120), s), FAST) for s in (1.0, scale))
    assert other.tail.alpha == pytest.approx(one.tail.alpha, rel=1e-12)
    assert other.tail.n_tail == one.tail.n_tail
    assert other.numbers["kappa"] == pytest.approx(one.numbers["kappa"], rel=1e-6)
    assert other.verdict == one.verdict


def test_one_bad_weight_costs_one_layer_with_its_name_and_count() -> None:
    net = nn.Sequential(heavy(40, 50), heavy(40, 50, 1), heavy(40, 50, 2))
    with torch.no_grad():
        net[1].weight[3, 4] = float("nan")
    found, failed = [], []
    for matrix in matrices(net):
        try:
            found.append(diagnose(matrix_spectrum(matrix), FAST))
        except MeasurementError as error:
            failed.append(str(error))
    assert [d.source.name for d in found] == ["0.weight", "2.weight"]
    assert len(failed) == 1
    assert failed[0].startswith("1.weight (weights): 1 of 2000 weights are NaN or infinite")


def test_a_layer_without_an_exponent_is_left_out_of_the_mean() -> None:
    layers = [heavy(40, 50), heavy(60, 90, 1)]
    constant = nn.Linear(50, 40, bias=False)
    nn.init.constant_(constant.weight, 1.0)
    diagnoses = [diagnose(spectrum(layer), FAST) for layer in (*layers, constant)]
    assert not diagnoses[2].tail.status.ok
    assert np.isnan(diagnoses[2].tail.alpha)
    expected = np.mean([d.tail.alpha for d in diagnoses[:2]])
    assert summarize(diagnoses)["summary/weights_alpha_mean"] == pytest.approx(expected)


@pytest.mark.parametrize("init", [nn.init.eye_, nn.init.orthogonal_])
@pytest.mark.parametrize("columns", [64, 128])
def test_equal_singular_values_have_no_exponent(init: Callable[[torch.Tensor], object], columns: int) -> None:
    """Those of an orthogonal matrix in single precision differ by rounding: read as a tail, alpha would be 1e6."""
    torch.manual_seed(0)
    layer = nn.Linear(columns, 64, bias=False)
    init(layer.weight)
    diagnosis = diagnose(spectrum(layer))
    assert diagnosis.tail.status.code in ("degenerate", "too_few_values")
    assert not np.isfinite(diagnosis.tail.alpha)
    assert "weights_alpha/weight" not in diagnosis.metrics()


@pytest.mark.parametrize("shape", [(200, 200), (150, 400), (300, 600)])
def test_pure_noise_is_reported_as_not_a_power_law(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    layer = nn.Linear(shape[1], shape[0], bias=False)
    nn.init.normal_(layer.weight)
    assert fit_power_law(spectrum(layer).values).status.code == "not_a_power_law"


def test_importing_and_measuring_leave_warnings_logging_and_random_numbers_alone() -> None:
    code = """
import logging, random, warnings
import numpy as np, torch
before = (list(warnings.filters), logging.getLogger().level, list(logging.getLogger().handlers))
states = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
from htmu_diag.analysis import diagnose
from htmu_diag.matrices import checkpoint_matrices, matrices
from htmu_diag.solvers import matrix_spectrum
layer = torch.nn.Linear(40, 30)
states = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
for matrix in matrices(layer):
    diagnose(matrix_spectrum(matrix, vectors=True))
assert states == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())
ours = [f for f in warnings.filters if f not in before[0]]
assert not [f for f in ours if f[0] == "ignore" and f[2] is Warning and f[1] is None and f[3] is None], ours
assert before[1:] == (logging.getLogger().level, list(logging.getLogger().handlers))
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("default")
    warnings.warn("heard")
assert len(seen) == 1
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
