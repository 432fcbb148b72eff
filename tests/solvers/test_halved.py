"""A basis in half of its bytes: rounding alone is lost, T and the eigenvalues keep the accuracy of the whole type."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.base import MatrixOperator
from htmu_diag.solvers import density as density_module
from htmu_diag.solvers import tridiagonal
from htmu_diag.solvers.density import spectral_density
from htmu_diag.solvers.halved import HALF, Halved, combined
from htmu_diag.solvers.outliers import Outliers
from htmu_diag.solvers.run_lengths import given_up, planned
from htmu_diag.solvers.tridiagonal import lanczos, start_vector
from htmu_diag.spectrum import Kind, Source, Spectrum
from tests.solvers.test_density import density, heavy, operator, rng

BOTH = [torch.float32, torch.float64]
BULK = torch.rand(589, generator=rng(3), dtype=torch.float64)
SIGNED = torch.cat([BULK - 0.5, torch.tensor([300.0, -200, 150, -120, 90, -80, 70, 60, -50, 40, 30]).double()])


def orthonormal(count: int, size: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(size, count, generator=rng(5), dtype=torch.float64))[0].T.to(dtype).contiguous()


def halved(rows: torch.Tensor) -> Halved:
    made = Halved.like(rows[0], len(rows))
    for place, row in enumerate(rows):
        made.put(place, row)
    return made


@pytest.mark.parametrize("dtype", BOTH)
def test_what_is_taken_out_and_what_is_combined_is_off_by_the_rounding_of_half_the_digits(dtype: torch.dtype) -> None:
    rows = orthonormal(6, 10**5, dtype)
    kept, turn = halved(rows), halved(rows).turn
    assert turn == pytest.approx(0.213 * float(torch.finfo(HALF[dtype]).eps))
    beside = torch.randn(10**5, generator=rng(6), dtype=torch.float64).to(dtype)
    beside -= rows.T @ (rows @ beside)
    overlap = 1e-3 * torch.arange(1, 7, dtype=dtype)
    vector = beside / beside.norm() + rows.T @ overlap
    kept.take_out(vector)
    noise = 6 * turn / 10**2.5  # of the rounding of each row along a vector of length 1
    assert float((rows @ vector).abs().max()) < 2 * turn * float(overlap.norm()) + noise
    lifted = combined(kept, np.eye(6)[:, :2] + 1.0)
    exact = combined(rows, np.eye(6)[:, :2] + 1.0)
    assert 0.9 * turn < float((lifted - exact).norm() / exact.norm()) < 1.1 * turn


@pytest.mark.parametrize("size", [10, 10**6, 3 * 10**9])
def test_neither_large_nor_small_entries_leave_the_range_of_float16(size: int) -> None:
    scale = Halved.like(torch.empty(1).expand(size), 0).scale
    lone, even = torch.ones(1), torch.full((1,), size**-0.5)
    for entries in (lone, even):
        kept = Halved(torch.zeros(1, 1, dtype=torch.float16), scale, torch.float32, torch.zeros(1))
        kept.put(0, entries)
        assert float(kept.rows) / scale == pytest.approx(float(entries), rel=5e-4)
        assert abs(float(kept.rows)) > float(torch.finfo(torch.float16).tiny)


@pytest.mark.parametrize("policy", ["full", "selective"])
@pytest.mark.parametrize("dtype", BOTH)
def test_ritz_values_are_those_of_a_whole_basis_to_the_rounding_of_the_whole_type(
    policy: tridiagonal.Reorthogonalize, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = operator(SIGNED, dtype)
    start = start_vector(of, rng(1))

    def off(**options: bool) -> float:
        found = lanczos(of, steps=50, v0=start, reorthogonalize=policy, **options).ritz()[0]
        return max(abs(found[-1] - 300), abs(found[0] + 200), float(np.abs(found - 150).min())) / 300

    eps = float(torch.finfo(dtype).eps)
    assert off() < 5 * eps
    assert off(halved=True) < 5 * eps
    monkeypatch.setattr(tridiagonal._Run, "_before", lambda run, j: [run.basis[: j + 1]])
    assert policy == "selective" or off(halved=True) > 20 * eps  # unless the last two vectors are taken out whole


def half_of(of: MatrixOperator, monkeypatch: pytest.MonkeyPatch, **options: object) -> Spectrum:
    """The density of the same plan with a basis of half its bytes."""
    with monkeypatch.context() as m:
        m.setattr(density_module, "planned", lambda *a, **k: dataclasses.replace(planned(*a, **k), halved=True))
        return density(of, **options)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("values", [heavy().double(), SIGNED, torch.logspace(0, -9, 500, dtype=torch.float64)])
def test_a_density_from_half_of_the_bytes_is_that_from_all_of_them(
    values: torch.Tensor, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    of, exact = operator(values, dtype), values.numpy()
    whole, half = density(of, steps=40, probes=2), half_of(of, monkeypatch, steps=40, probes=2)
    assert "basis in" in half.estimator.routine
    assert "basis in" not in whole.estimator.routine
    scale = np.abs(exact).mean()

    def off(found: Spectrum) -> float:
        return float(wasserstein_distance(found.values, exact, found.masses)) / scale

    assert off(half) < off(whole) + 1e-3
    assert half.trace() == pytest.approx(float(exact.sum()), abs=4 * half.scalars["trace_stderr"])
    wrong = dataclasses.replace(half, values=half.values * 1.01)
    assert off(wrong) > off(whole) + 1e-3


def test_what_turned_vectors_leak_is_not_counted_to_the_rest() -> None:
    rest = torch.rand(588, generator=rng(4), dtype=torch.float64)
    of = operator(torch.cat([rest, 100 * 2.0 ** torch.arange(12)]), torch.float32)
    runs = dataclasses.replace(planned(64, 1, 600, 600, "selective", refine=True), halved=True)
    plan = density_module._Plan(of, Outliers(600, 30), runs, rng(2))
    plan.run(40, refine=True)
    assert len(plan.outliers.values) > 10

    def off(plan: density_module._Plan) -> float:
        beside = of.shape[0] - len(plan.outliers.values)
        seconds = [single.moments[1] for single in plan.singles(30)]
        return abs(float(np.mean(seconds)) / float(rest.square().sum() / beside) - 1)

    assert off(plan) < 0.15
    reckoned = dataclasses.replace(plan, runs=dataclasses.replace(runs, halved=False))  # from residuals, as if whole
    assert off(reckoned) > 0.3


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_product_that_is_not_finite_is_told_with_half_of_the_bytes_too(bad: float) -> None:
    of = operator(SIGNED, torch.float32)
    of.matrix[3, 4] = bad
    with pytest.raises(MeasurementError, match="NaN or infinite"):
        lanczos(of, steps=9, v0=start_vector(of, rng(1)), halved=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_type_without_a_half_keeps_its_basis(dtype: torch.dtype) -> None:
    of = MatrixOperator(torch.linspace(-1, 1, 60).diag().to(dtype))
    with pytest.raises(InputError, match="has no half"):
        lanczos(of, steps=4, v0=torch.ones(60), halved=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "basis in" not in density(of, steps=16, probes=1, memory_limit=40 * 60 * 2).estimator.routine


def test_without_a_limit_a_basis_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    of, source = operator(heavy(), torch.float32), Source(Kind.HESSIAN, "model", (600, 600))
    row = 600 * 4
    monkeypatch.setattr(density_module, "available_bytes", lambda device: 2 * 50 * row)
    with pytest.warns(RuntimeWarning, match="half of the free memory holds"):
        free = spectral_density(of, source, steps=40, probes=2)
    assert "float16" not in free.estimator.routine
    given = spectral_density(of, source, steps=40, probes=2, memory_limit=50 * row)
    assert given.estimator.routine.startswith("slq 35+35 steps")
    assert given.estimator.routine.endswith("basis in float16")


@pytest.mark.parametrize(("rows", "off"), [(64, None), (40, "0.05"), (28, "0.06"), (23, "0.09"), (9, "0.16")])
def test_the_sentence_says_what_a_limit_cost_where_it_was_measured(rows: int, off: str | None) -> None:
    runs = planned(64, 1, 10**4, rows, "selective", refine=True, halves=True)
    told = given_up(runs, 64, 100, "float16")
    if off is None:
        assert told == ""
        return
    least = planned(64, 1, 10**4, runs.least, "selective", refine=True, halves=True)
    assert f"W1 over mean |eigenvalue| {off}, and" in told
    assert f"from {runs.least * 100} bytes on" in told
    assert (least.lengths == [56]) == (runs.policy != "none")
    assert least.policy == "selective"
