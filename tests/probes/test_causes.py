"""The three causes and their control as numbers of a run."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import htmu_diag
from htmu_diag.analysis import Options, diagnose
from htmu_diag.operators import HessianOperator
from htmu_diag.probes import ConjugateKernelProbe, CurvatureProbe, StepContext, WeightsProbe
from htmu_diag.probes.starts import COORDINATES, Starts
from htmu_diag.solvers.dense import dense_matrix
from htmu_diag.spectrum import Kind
from htmu_diag.storage import start_arrays
from htmu_diag.training.models import MLP

QUICK = Options(bootstrap=0)


def _steps(model: torch.nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    inputs, targets = torch.randn(32, 6), torch.randint(3, (32,))
    for _ in range(count):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()


def test_a_run_logs_its_temperatures_and_how_far_each_layer_came(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MLP(6, (20,), 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    start = model.fc1.weight.detach().clone()
    options = {"log_dir": tmp_path, "every": 5, "sinks": (), "options": QUICK, "batch_size": 32}
    with htmu_diag.watch(model, optimizer, **options):
        _steps(model, optimizer, 5)
        optimizer.param_groups[0]["lr"] = 0.3
        _steps(model, optimizer, 5)
    moved = float((model.fc1.weight.detach() - start).norm() / start.norm())
    record = list(htmu_diag.load_run(tmp_path).records())[-1].metrics()
    assert record["weights_distance/fc1.weight"] == pytest.approx(moved, rel=1e-5)
    assert record["temperature/lr"] == 0.3
    assert record["temperature/lr_over_batch"] == pytest.approx(0.3 / 32)
    assert record["temperature/lr_steps"] == pytest.approx(5 * 0.1 + 5 * 0.2)  # even change between two readings
    with htmu_diag.watch(model, optimizer, start_step=10, **options):
        _steps(model, optimizer, 5)
    record = list(htmu_diag.load_run(tmp_path).records())[-1].metrics()
    assert record["temperature/lr_steps"] == pytest.approx(1.5 + 5 * 0.3)
    moved = float((model.fc1.weight.detach() - start).norm() / start.norm())
    assert record["weights_distance/fc1.weight"] == pytest.approx(moved, rel=1e-5)  # of the run's start, not its own


def test_another_training_in_a_folder_does_not_inherit_the_start_of_the_one_before(tmp_path: Path) -> None:
    for seed in (0, 1):  # the second one ends before a later step was measured
        torch.manual_seed(seed)
        model = MLP(6, (20,), 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with htmu_diag.watch(
            model, optimizer, log_dir=tmp_path, every=5, options=QUICK, on_exists="continue", sinks=[]
        ):
            _steps(model, optimizer, 6 if seed == 0 else 1)
    assert len(start_arrays(tmp_path)) == 0


def test_vectors_have_a_cadence_of_their_own() -> None:
    model = MLP(30, (40,), 25)
    probe = WeightsProbe(vectors=10)
    found = {step: next(iter(probe.measure(StepContext(step, model)))).scalars for step in (0, 5, 10)}
    assert "entropy_left_top" in found[0]
    assert "overlap_last" not in found[0]
    assert "entropy_left_top" not in found[5]
    assert found[10]["overlap_start"] == pytest.approx(1)


def test_the_distance_of_a_large_matrix_is_that_of_a_sample_of_it() -> None:
    starts = Starts()
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(1000, COORDINATES // 500, generator=generator)
    assert starts.distance("w", start, 0) == {"distance": 0.0}
    move = 0.3 * torch.randn(start.shape, generator=generator)
    assert starts.distance("w", start + move, 7)["distance"] == pytest.approx(0.3, rel=0.01)
    assert starts.distance("w", start[:2], 8) == {}  # another size: another matrix
    assert starts.distance("other", start, 8) == {}


@pytest.mark.parametrize("exponent", [1.0, 1.5])
def test_the_correlation_of_inputs_is_read_from_ranks_and_from_the_tail(exponent: float) -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(1500, 120, generator=generator) * torch.arange(1, 121) ** (-exponent / 2)
    model = MLP(120, (16,), 3)
    context = StepContext(0, model, batch=(inputs, torch.zeros(1500, dtype=torch.long)))
    (found,) = [s for s in ConjugateKernelProbe(samples=1500).measure(context) if s.source.kind is Kind.INPUTS]
    numbers = diagnose(found, QUICK).numbers
    assert numbers["rank_exponent"] == pytest.approx(exponent, abs=0.1)
    assert numbers["alpha_of_ranks"] == pytest.approx(1 + 1 / exponent, abs=0.1)
    assert numbers["alpha"] == pytest.approx(1 + 1 / exponent, abs=3 * numbers["alpha_stderr"] + 0.05)
    assert numbers["samples"] == 1500


def test_a_layer_wider_than_the_batch_is_no_rank_collapse() -> None:
    torch.manual_seed(2)
    model = MLP(100, (384,), 3)
    context = StepContext(0, model, batch=(torch.randn(128, 100), torch.zeros(128, dtype=torch.long)))
    spectra = {(s.source.kind, s.source.name): s for s in ConjugateKernelProbe(samples=128).measure(context)}
    wide = spectra[Kind.ACTIVATIONS, "activation"]
    assert wide.dimension == 127
    assert wide.values.min() > 0
    assert wide.source.shape == (128, 384)
    assert "128 rows" in wide.source.unit
    assert diagnose(wide, QUICK).verdict != "rank-collapse"
    linear = spectra[Kind.ACTIVATIONS, "fc1"]  # of 100 inputs: that it has no more directions is a fact of the layer
    assert diagnose(linear, QUICK).numbers["zero_fraction"] == pytest.approx(27 / 127)


def _trained(
    optimizer_class: type[torch.optim.Optimizer], **options: float
) -> tuple[MLP, torch.optim.Optimizer, tuple]:  # type: ignore[type-arg]
    torch.manual_seed(3)
    model = MLP(6, (5,), 3, "tanh").double()
    optimizer = optimizer_class(model.parameters(), **options)
    batch = torch.randn(20, 6, dtype=torch.float64), torch.randint(3, (20,))
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()
    return model, optimizer, batch


def _measured(model: MLP, optimizer: torch.optim.Optimizer, batch: tuple) -> float:  # type: ignore[type-arg]
    context = StepContext(5, model, optimizer, batch, F.cross_entropy)
    return float(next(iter(CurvatureProbe("hessian").measure(context))).scalars["stability"])


def test_stability_of_sgd_is_the_rate_times_the_sharpness_over_the_reach_of_momentum() -> None:
    model, optimizer, batch = _trained(torch.optim.SGD, lr=0.2, momentum=0.5)
    sharpness = float(torch.linalg.eigvalsh(dense_matrix(HessianOperator(model, F.cross_entropy, batch)))[-1])
    assert _measured(model, optimizer, batch) == pytest.approx(0.2 * sharpness / 1.5, rel=1e-3)


def test_stability_of_adam_is_that_of_the_preconditioned_hessian() -> None:
    model, optimizer, batch = _trained(torch.optim.Adam, lr=0.01)
    hessian = dense_matrix(HessianOperator(model, F.cross_entropy, batch))
    second = torch.cat([optimizer.state[p]["exp_avg_sq"].reshape(-1) for p in model.parameters()]) / (1 - 0.999**5)
    scale = (second.sqrt() + 1e-8).rsqrt()
    largest = float(torch.linalg.eigvalsh(scale[:, None] * hessian * scale)[-1])
    assert _measured(model, optimizer, batch) == pytest.approx(0.01 * largest * 0.1 / 1.9, rel=0.02)
    assert np.isfinite(math.log(largest))
