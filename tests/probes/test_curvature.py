"""Curvature and gradient-noise probes on a small network."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from htmu_diag.analysis.diagnose import diagnose
from htmu_diag.analysis.options import Options
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.fits import fit_power_law
from htmu_diag.operators.base import MatrixOperator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.probes import registry
from htmu_diag.probes.base import StepContext
from htmu_diag.probes.curvature import CurvatureProbe
from htmu_diag.probes.gradient_noise import GradientNoiseProbe, stable_tail_index
from htmu_diag.solvers.dense import dense_matrix
from htmu_diag.solvers.density import spectral_density
from htmu_diag.spectrum import Kind, Source
from tests.equal import same
from tests.operators.test_awkward_models import StashedSquare


def context(**changes: object) -> StepContext:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Dropout(0.5), nn.Linear(10, 4)).double()
    rng = torch.Generator().manual_seed(1)
    batch = torch.randn(64, 6, generator=rng, dtype=torch.float64), torch.randint(0, 4, (64,), generator=rng)
    return StepContext(**{"step": 7, "model": model, "batch": batch, "loss_fn": cross_entropy, **changes})  # type: ignore[arg-type]


class Square(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return StashedSquare.apply(x)


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


def stable(alpha: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Symmetric stable values (Chambers, Mallows & Stuck 1976)."""
    angle, wait = rng.uniform(-np.pi / 2, np.pi / 2, shape), rng.exponential(size=shape)
    first = np.sin(alpha * angle) / np.cos(angle) ** (1 / alpha)
    return np.asarray(first * (np.cos((1 - alpha) * angle) / wait) ** ((1 - alpha) / alpha))


@pytest.mark.parametrize("alpha", [2.0, 1.8, 1.5, 1.2, 1.0])
def test_the_tail_index_is_that_of_each_coordinate_whatever_its_scale(alpha: float) -> None:
    rng = np.random.default_rng(0)
    noise = stable(alpha, (32, 20_000), rng)
    scales, means = np.exp(1.5 * rng.standard_normal(20_000)), rng.standard_normal(20_000)
    for gradients in (noise, noise * scales + means):
        assert stable_tail_index(torch.as_tensor(gradients)) == pytest.approx(alpha, abs=0.05)


def test_coordinates_that_stand_still_say_nothing_about_the_tail() -> None:
    gradients = torch.as_tensor(stable(1.5, (16, 20_000), np.random.default_rng(1)))
    dead = torch.cat([gradients, torch.zeros(16, 5_000)], dim=1)
    assert stable_tail_index(dead) == pytest.approx(stable_tail_index(gradients))


def test_eight_groups_are_enough_for_sums_of_four_and_seven_take_two() -> None:
    differences = torch.tensor([1.0, 1.0, 1.0, 5.0]).repeat_interleave(2) * torch.tensor([1.0, 0.0]).repeat(4)
    gradients = differences[:, None].expand(8, 8)
    assert stable_tail_index(gradients) == pytest.approx(math.log(4) / (math.log(8) - math.log(5) / 4))
    assert stable_tail_index(gradients[1:]) == pytest.approx(1.0)  # two alike: twice one


@pytest.mark.parametrize("shape", [(3, 100), (2, 100), (32, 7), (0, 0)])
def test_too_few_groups_or_coordinates_have_no_tail_index(shape: tuple[int, int]) -> None:
    assert math.isnan(stable_tail_index(torch.randn(shape)))
    assert math.isnan(stable_tail_index(torch.ones(32, 100)))


def test_the_first_snapshot_checks_the_operator_and_later_ones_trust_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(6, 10), Square(), nn.Linear(10, 4)).double()
    with pytest.raises(MeasurementError, match="^1: wrong second derivative"):
        list(CurvatureProbe().measure(context(model=model)))
    probe = CurvatureProbe(steps=8)
    list(probe.measure(context()))
    monkeypatch.setattr("htmu_diag.probes.curvature.self_check", lambda operator: pytest.fail("checked again"))
    list(probe.measure(context(step=8)))


def test_the_cheap_part_is_a_probe_of_its_own_with_its_own_schedule() -> None:
    probe = registry["hessian_layers"]()
    found = list(probe.measure(context()))
    assert probe.name == "hessian_layers"
    assert [s.source.name for s in found] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert {s.source.kind.value for s in found} == {"hessian"}
    here = context()
    block = dense_matrix(HessianOperator(here.model.eval(), cross_entropy, here.batch).block("3.bias"))
    assert found[-1].values[-1] == pytest.approx(float(torch.linalg.eigvalsh(block)[-1]), rel=1e-3)
    scalars = found[-1].scalars
    assert abs(scalars["trace"] - float(block.trace())) < 5 * scalars["trace_stderr"]


def test_the_cheap_part_takes_a_bounded_number_of_products(monkeypatch: pytest.MonkeyPatch) -> None:
    products = []
    inner = HessianOperator.matvec
    monkeypatch.setattr(HessianOperator, "matvec", lambda self, v: products.append(len(v)) or inner(self, v))
    probe = CurvatureProbe("hessian_layers", steps=0, layers=True, layer_products=6)
    probe.checked = True
    blocks = list(probe.measure(context()))
    assert len(products) <= 6 + 6 * len(blocks)


def test_a_curvature_probe_of_another_name_is_refused() -> None:
    with pytest.raises(InputError, match="hesian: a curvature probe is named hessian, ggn, fisher"):
        CurvatureProbe("hesian")


def test_a_diagnosis_has_the_negative_part_and_the_tail_of_the_positive_outliers() -> None:
    here = context()
    exact = torch.linalg.eigvalsh(dense_matrix(HessianOperator(here.model.eval(), cross_entropy, here.batch))).numpy()
    density, pairs = CurvatureProbe("hessian", probes=4, outliers=12, which="both").measure(context())
    of_density = diagnose(density, Options(bootstrap=0))
    assert of_density.numbers["lambda_min"] == pytest.approx(exact[0], rel=1e-6)
    assert of_density.numbers["negative_mass"] == pytest.approx(np.mean(exact < -1e-12), abs=0.05)
    assert pairs.values.size == 24
    positive, magnitudes = pairs.values[pairs.values > 0], np.abs(pairs.values)
    assert same(diagnose(pairs, Options(bootstrap=0)).tail, fit_power_law(positive))
    assert same(diagnose(pairs, Options(bootstrap=0, magnitudes=True)).tail, fit_power_law(magnitudes))


def test_the_tail_of_a_density_is_that_of_its_exact_outliers() -> None:
    outliers = 2 * (1 + np.random.default_rng(0).pareto(1.5, 40))
    values = torch.as_tensor(np.concatenate([-outliers[:5], outliers, 1e-3 * np.random.default_rng(1).random(2000)]))
    operator = MatrixOperator(torch.diag(values))
    density = spectral_density(operator, Source(Kind.HESSIAN, "model", operator.shape), steps=128, probes=2)
    assert diagnose(density, Options(bootstrap=0)).tail.alpha == pytest.approx(fit_power_law(outliers).alpha, rel=1e-6)
    both = diagnose(density, Options(bootstrap=0, magnitudes=True)).tail
    assert both.alpha == pytest.approx(fit_power_law(np.abs(values.numpy()[:45])).alpha, rel=1e-6)
