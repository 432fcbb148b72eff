"""Stochastic Lanczos quadrature with exact outliers, and traces, on known spectra."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from htmu_diag.errors import InputError
from htmu_diag.operators.base import MatrixOperator
from htmu_diag.solvers.density import spectral_density
from htmu_diag.solvers.traces import trace
from htmu_diag.solvers.tridiagonal import lanczos, start_vector
from htmu_diag.spectrum import Kind, Source, Spectrum


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def operator(values: torch.Tensor, dtype: torch.dtype = torch.float64) -> MatrixOperator:
    n = values.numel()
    basis = torch.linalg.qr(torch.randn(n, n, generator=rng(9), dtype=torch.float64))[0]
    return MatrixOperator(((basis * values.double()) @ basis.T).to(dtype))


def heavy(size: int = 600) -> torch.Tensor:
    """A small bulk and fifteen outliers that hold most of the trace."""
    return torch.cat([0.1 * torch.rand(size - 15, generator=rng(4)), 2.0 ** torch.arange(15)])


def density(of: MatrixOperator, **options: object) -> Spectrum:
    return spectral_density(of, Source(Kind.HESSIAN, "model", of.shape), **options)  # type: ignore[arg-type]


def test_mass_is_one_and_every_product_is_counted() -> None:
    counted = operator(heavy())
    calls = []
    inner = counted.matvec
    counted.matvec = lambda v: calls.append(1) or inner(v)  # type: ignore[method-assign, func-returns-value]
    found = density(counted, steps=20, probes=3)
    assert found.mass == pytest.approx(1)
    assert found.estimator.products == len(calls) == 60


def test_one_probe_has_the_moments_of_hutchinson_with_the_same_vector() -> None:
    of = operator(heavy(200))
    found = density(of, steps=12, probes=1, deflate="never", rng=rng(7))
    v = start_vector(of, rng(7))
    moments = [float(v @ torch.linalg.matrix_power(of.matrix, k) @ v) for k in (1, 2, 3)]
    assert np.allclose([found.moment(k) for k in (1, 2, 3)], moments, rtol=1e-9)


def test_two_clusters_carry_half_the_mass_each() -> None:
    found = density(operator(torch.tensor([1.0, 3.0]).repeat(100)), steps=10, probes=8)
    assert found.masses[found.values > 2].sum() == pytest.approx(0.5, abs=0.05)
    assert "0 outliers" in found.estimator.routine


def test_a_null_space_is_not_taken_for_one_eigenvalue() -> None:
    values = torch.cat([torch.zeros(150), 1 + torch.rand(50, generator=rng(1))])
    found = density(operator(values), steps=30, probes=4)
    assert found.masses[found.values < 0.5].sum() == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_outliers_divide_the_error_by_ten(dtype: torch.dtype) -> None:
    values, of = heavy(), operator(heavy(), dtype)

    def error(deflate: str) -> float:
        runs = [density(of, steps=40, probes=2, deflate=deflate, rng=rng(seed)) for seed in range(5)]
        return float(np.median([wasserstein_distance(r.values, values, r.masses) for r in runs]))

    assert error("auto") < error("never") / 10


def test_deflation_does_no_harm_where_there_are_no_outliers() -> None:
    values = torch.randn(300, generator=rng(2), dtype=torch.float64)
    of = operator(values)
    errors = {
        deflate: [
            wasserstein_distance(r.values, values, r.masses)
            for r in (density(of, steps=40, probes=2, deflate=deflate, rng=rng(s)) for s in range(8))
        ]
        for deflate in ("auto", "never")
    }
    assert np.mean(errors["auto"]) <= 1.05 * np.mean(errors["never"])


def test_a_small_operator_is_resolved_exactly() -> None:
    values = torch.linspace(-1, 5, 12)
    found = density(operator(values), steps=30, probes=3)
    assert np.allclose(found.values, values, atol=1e-9)
    assert np.allclose(found.masses, 1 / 12)


def test_trace_error_bars_cover_the_error() -> None:
    of, exact = operator(heavy()), float(heavy().double().sum())
    runs = [density(of, steps=30, probes=8, deflate="never", rng=rng(seed)) for seed in range(20)]
    inside = [abs(r.trace() - exact) < 2.5 * r.scalars["trace_stderr"] for r in runs]
    assert np.mean(inside) >= 0.8


@pytest.mark.filterwarnings("ignore:.*memory_limit")
def test_beyond_the_memory_limit_no_basis_is_kept() -> None:
    found = density(operator(heavy()), steps=40, probes=2, memory_limit=10_000)
    assert "none reorthogonalisation" in found.estimator.routine
    assert found.mass == pytest.approx(1)
    assert found.values.max() == pytest.approx(2.0**14, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_scaling_the_operator_scales_the_nodes(scale: float) -> None:
    one, other = (density(operator(heavy() * s), steps=30, probes=2) for s in (1.0, scale))
    assert other.trace() / scale == pytest.approx(one.trace(), rel=1e-6)


def test_no_steps_are_refused() -> None:
    with pytest.raises(InputError, match="steps >= 1"):
        density(operator(heavy()), steps=0)


@pytest.mark.parametrize("method", ["hutchinson", "hutch++", "xtrace"])
def test_trace_estimates_lie_within_their_error_bars(method: str) -> None:
    values = 1.0 / torch.arange(1, 301, dtype=torch.float64) ** 1.5
    of, exact = operator(values), float(values.sum())
    runs = [trace(of, products=60, method=method, rng=rng(seed)) for seed in range(30)]  # type: ignore[arg-type]
    assert all(run.products <= 60 for run in runs)
    mean = np.mean([run.value for run in runs])
    spread = np.std([run.value for run in runs], ddof=1)
    assert abs(mean - exact) < 4 * spread / np.sqrt(30)
    assert np.median([run.stderr for run in runs]) == pytest.approx(spread, rel=0.6)


def test_xtrace_is_the_most_accurate_on_decaying_eigenvalues() -> None:
    values = torch.exp(-0.1 * torch.arange(300, dtype=torch.float64))
    of = operator(values)
    error = {m: abs(trace(of, products=96, method=m).value - float(values.sum())) for m in ("hutchinson", "xtrace")}  # type: ignore[arg-type]
    assert error["xtrace"] < error["hutchinson"] / 10


def test_xtrace_is_exact_when_the_sketch_spans_the_space() -> None:
    values = torch.linspace(1, 2, 20, dtype=torch.float64)
    assert trace(operator(values), products=40).value == pytest.approx(float(values.sum()), rel=1e-6)


def test_the_quadrature_of_a_full_run_is_the_spectral_measure_of_its_start() -> None:
    of = operator(torch.linspace(1, 2, 8))
    run = lanczos(of, steps=8, v0=start_vector(of, rng()), reorthogonalize="full")
    assert np.allclose(run.ritz()[0], np.linspace(1, 2, 8), atol=1e-7)


def test_single_products_divide_the_error_of_the_trace_by_two() -> None:
    values = torch.rand(400, generator=rng(3), dtype=torch.float64)
    of, exact = operator(values), float(values.sum())

    def error(deflate: str) -> float:
        runs = [density(of, steps=32, probes=2, deflate=deflate, rng=rng(seed)).trace() for seed in range(20)]
        return float(np.sqrt(np.mean((np.array(runs) - exact) ** 2)))

    assert error("auto") < error("never") / 2


def test_error_bars_of_the_refined_trace_cover_its_error() -> None:
    values = torch.rand(400, generator=rng(3), dtype=torch.float64)
    of, exact = operator(values), float(values.sum())
    runs = [density(of, steps=32, probes=2, rng=rng(seed)) for seed in range(30)]
    errors = np.array([abs(run.trace() - exact) / run.scalars["trace_stderr"] for run in runs])
    assert np.mean(errors < 2.5) > 0.8
    assert np.mean(errors < 0.2) < 0.5


def test_one_probe_has_an_error_bar_too() -> None:
    assert density(operator(heavy()), steps=32, probes=1).scalars["trace_stderr"] > 0


def test_a_positive_operator_has_a_positive_density() -> None:
    values = torch.cat([torch.zeros(100), torch.rand(300, generator=rng(3)) ** 6])
    found = density(operator(values), steps=30, probes=2)
    assert found.values.min() > -1e-8
    assert (found.masses >= 0).all()


def test_few_rows_of_memory_keep_the_largest_outliers_only() -> None:
    size = 600
    with pytest.warns(RuntimeWarning, match="holds 4 runs of 18 steps and 5 outliers, with a basis in float32: W1"):
        found = density(operator(heavy(size)), steps=40, probes=2, memory_limit=(9 + 2 + 6 + 5) * size * 8)
    assert "5 outliers exact" in found.estimator.routine
    assert found.masses[-1] == pytest.approx(1 / size)


def decaying(size: int = 180, null: int = 60) -> torch.Tensor:
    """Eigenvalues over five orders of magnitude and a null space: 256 products resolve nearly all of it."""
    values = 100 * torch.exp(-0.1 * torch.arange(size, dtype=torch.float64))
    values[size - null :] = 0
    return values


def errors_in_bars(values: torch.Tensor, dtype: torch.dtype, exact: float, seeds: int = 12) -> list[float]:
    """Errors of the trace over four standard errors plus the rounding of the eigenvalues."""
    of, rounding = operator(values, dtype), 10 * torch.finfo(dtype).eps * float(values.abs().sum())
    runs = [density(of, rng=rng(seed)) for seed in range(seeds)]
    return [abs(run.trace() - exact) / (4 * run.scalars["trace_stderr"] + rounding) for run in runs]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("values", [decaying(), decaying(null=0), heavy().double(), 100 / torch.arange(1.0, 181) ** 2])
def test_the_trace_is_right_to_its_standard_error_where_nearly_all_is_resolved(
    values: torch.Tensor, dtype: torch.dtype
) -> None:
    exact = float(values.double().sum())
    assert max(errors_in_bars(values, dtype, exact)) <= 1
    assert min(errors_in_bars(values, dtype, exact * 1.001, seeds=3)) > 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_outlier_is_counted_twice(dtype: torch.dtype) -> None:
    values = decaying().numpy()
    for seed in range(8):
        found = density(operator(decaying(), dtype), rng=rng(seed))
        assert found.values[-1] == pytest.approx(100, rel=1e-5)
        assert wasserstein_distance(found.values, values, found.masses) < 1e-4 * values.mean()


def test_one_run_in_float32_is_as_good_as_in_float64_beside_a_dominating_eigenvalue() -> None:
    values = heavy()
    for seed in range(20):
        found = density(operator(values, torch.float32), probes=1, rng=rng(seed))
        assert wasserstein_distance(found.values, values, found.masses) < 1e-3 * float(values.mean())


@pytest.mark.parametrize("steps", [5, 8, 16])
def test_the_mass_is_one_where_all_that_one_run_sees_is_known(steps: int) -> None:
    found = density(operator(torch.tensor([1.0, 2, 3, 4]).repeat(2)), steps=steps, probes=1)
    assert found.mass == pytest.approx(1)
    assert np.allclose(found.values, [1, 2, 3, 4])


def test_a_null_space_has_no_sign() -> None:
    values = torch.cat([decaying(40, null=0), torch.zeros(30, dtype=torch.float64), -decaying(30, null=0)])
    for seed in range(4):
        found = density(operator(values), rng=rng(seed))
        assert found.masses[found.values < 0].sum() == pytest.approx(0.3)
        assert found.masses[found.values == 0].sum() == pytest.approx(0.3)


def test_a_bfloat16_operator_has_a_density() -> None:
    found = density(MatrixOperator(torch.diag(torch.arange(1.0, 9)).bfloat16()), steps=8, probes=1)
    assert found.masses.sum() == pytest.approx(1)
    assert found.values[-1] == pytest.approx(8, rel=0.02)


@pytest.mark.parametrize("memory", [2**30, 2**50])
def test_a_small_operator_has_the_same_density_whatever_memory_there_is(memory: int) -> None:
    found = density(MatrixOperator(torch.diag(torch.arange(1.0, 9))), steps=8, probes=1, memory_limit=memory)
    assert found.values == pytest.approx(np.arange(1, 9), rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_zero_operator_is_all_zero() -> None:
    assert density(MatrixOperator(torch.zeros(5, 5)), steps=3, probes=1).values.tolist() == [0.0]
