"""Curvature and gradient-noise probes on a small network."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.probes import registry
from htmu_diag.probes.base import StepContext
from htmu_diag.probes.gradient_noise import GradientNoiseProbe, stable_tail_index
from htmu_diag.probes.hessian import CurvatureProbe
from htmu_diag.solvers.dense import dense_matrix


def context(**changes: object) -> StepContext:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Dropout(0.5), nn.Linear(10, 4)).double()
    rng = torch.Generator().manual_seed(1)
    batch = torch.randn(64, 6, generator=rng, dtype=torch.float64), torch.randint(0, 4, (64,), generator=rng)
    return StepContext(**{"step": 7, "model": model, "batch": batch, "loss_fn": cross_entropy, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["hessian", "ggn", "fisher"])
def test_the_density_has_mass_one_and_the_trace_of_the_operator(name: str) -> None:
    (found,) = CurvatureProbe(name, probes=4).measure(context())
    assert (found.source.kind.value, found.source.name, found.source.step) == (name, "model", 7)
    assert found.mass == pytest.approx(1)
    assert found.estimator.products <= 64 * 4
    assert registry[name]().name == name


def test_a_signed_spectrum_shows_its_negative_part() -> None:
    (found,) = CurvatureProbe("hessian").measure(context())
    here = context()
    exact = torch.linalg.eigvalsh(dense_matrix(HessianOperator(here.model.eval(), cross_entropy, here.batch)))
    assert found.values.min() == pytest.approx(float(exact[0]), rel=1e-3)


def test_blocks_have_a_largest_eigenvalue_and_a_trace() -> None:
    found = list(CurvatureProbe("ggn", steps=0, layers=True, outliers=3).measure(context()))
    assert [s.source.name for s in found] == ["model.outliers", "0.weight", "0.bias", "3.weight", "3.bias"]
    assert found[0].values.size == 3
    assert all(s.scalars["trace"] > 0 for s in found[1:])


def test_the_model_stays_in_training_mode() -> None:
    here = context()
    list(CurvatureProbe().measure(here))
    assert here.model.training


def test_a_missing_loss_is_one_clear_sentence() -> None:
    with pytest.raises(MeasurementError, match="needs a batch and a loss"):
        list(CurvatureProbe().measure(context(loss_fn=None)))


def test_gradient_noise_of_single_samples_has_the_sample_covariance() -> None:
    here = context()
    (found,) = GradientNoiseProbe(groups=64).measure(here)
    here.model.eval()
    x, y = here.batch  # type: ignore[misc]
    rows = [
        torch.autograd.grad(cross_entropy(here.model(x[i : i + 1]), y[i : i + 1]), list(here.model.parameters()))
        for i in range(64)
    ]
    gradients = torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows])
    assert found.values.sum() == pytest.approx(float(gradients.var(0).sum()))
    assert found.scalars["noise_scale"] > 0


@pytest.mark.parametrize(
    ("alpha", "draw"), [(2.0, np.random.Generator.standard_normal), (1.0, np.random.Generator.standard_cauchy)]
)
def test_the_tail_index_of_stable_laws(alpha: float, draw: object) -> None:
    values = torch.as_tensor(draw(np.random.default_rng(0), 250_000))  # type: ignore[operator]
    assert stable_tail_index(values) == pytest.approx(alpha, abs=0.12)


def test_too_few_values_have_no_tail_index() -> None:
    assert math.isnan(stable_tail_index(torch.ones(5)))
