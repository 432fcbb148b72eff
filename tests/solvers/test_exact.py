"""The exact solver against numpy's singular values, its policy, and what it leaves alone."""

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.solvers import UNIT, exact_spectra, exact_spectrum, product_spectrum
from htmu_diag.solvers.gram import gram
from htmu_diag.spectrum import Kind, Source


def source(*shape: int) -> Source:
    return Source(Kind.WEIGHTS, "fc.weight", (shape[0], shape[1]), unit=UNIT)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def reference(matrix: torch.Tensor) -> np.ndarray:
    return np.sort(np.linalg.svd(matrix.double().numpy(), compute_uv=False) ** 2 / max(matrix.shape))


@pytest.mark.parametrize("shape", [(40, 100), (100, 40), (64, 64), (1, 9), (9, 1)])
@pytest.mark.parametrize("routine", ["auto", "gram", "svdvals"])
def test_values_are_squared_singular_values_over_the_larger_side(shape: tuple[int, int], routine: str) -> None:
    matrix = noise(*shape)
    spectrum = exact_spectrum(matrix, source(*shape), routine=routine)  # type: ignore[arg-type]
    np.testing.assert_allclose(spectrum.values, reference(matrix), rtol=1e-9)
    assert spectrum.dimension == min(shape)


def test_the_trace_is_the_squared_frobenius_norm_over_the_larger_side() -> None:
    matrix = noise(30, 70, dtype=torch.float64)
    assert exact_spectrum(matrix, source(30, 70)).trace() == pytest.approx(float(matrix.square().sum()) / 70, rel=1e-13)


def test_a_spectrum_scales_with_the_square_of_the_weights_down_to_1e_minus_12() -> None:
    matrix = noise(20, 50, dtype=torch.float64)
    unit = exact_spectrum(matrix, source(20, 50)).values
    small = exact_spectrum(matrix * 2.0**-40, source(20, 50)).values
    np.testing.assert_array_equal(small, unit * 2.0**-80)


def test_svdvals_takes_over_where_the_gram_matrix_loses_the_lower_tail() -> None:
    left = torch.linalg.qr(noise(60, 60, dtype=torch.float64)).Q
    singular = torch.logspace(0, -11, 60, dtype=torch.float64)
    matrix = left * singular @ torch.linalg.qr(noise(60, 60, seed=1, dtype=torch.float64)).Q
    exact = (singular.flip(0) ** 2 / 60).numpy()
    auto, coarse = exact_spectrum(matrix, source(60, 60)), exact_spectrum(matrix, source(60, 60), routine="gram")
    assert auto.estimator.routine == "svdvals float64"
    assert coarse.estimator.routine == "gram_eigvalsh float64"
    np.testing.assert_allclose(auto.values, exact, rtol=1e-3)
    assert np.abs(coarse.values / exact - 1).max() > 0.1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_every_floating_type_is_computed_in_double_precision(dtype: torch.dtype) -> None:
    matrix = noise(30, 20).to(dtype)
    wide = matrix.to(torch.complex128 if dtype.is_complex else torch.float64).numpy()
    expected = np.sort(np.linalg.svd(wide, compute_uv=False) ** 2 / 30)
    np.testing.assert_allclose(exact_spectrum(matrix, source(30, 20)).values, expected, rtol=1e-9)


def test_the_gram_matrix_is_summed_over_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = noise(33, 7)
    whole = gram(matrix, torch.float64)
    monkeypatch.setattr("htmu_diag.solvers.gram._BLOCK", 7 * 4)
    torch.testing.assert_close(gram(matrix, torch.float64), whole, rtol=1e-13, atol=1e-15)
    assert whole.shape == (7, 7)


def test_a_batch_equals_its_members_one_by_one() -> None:
    stack = [noise(6, 15, seed=seed) for seed in range(5)]
    together = exact_spectra(stack, [source(6, 15)] * 5)
    for matrix, spectrum in zip(stack, together, strict=True):
        np.testing.assert_allclose(spectrum.values, exact_spectrum(matrix, source(6, 15)).values, rtol=1e-12)


def test_a_low_rank_product_is_solved_from_its_factors() -> None:
    left, right = noise(50, 4), noise(4, 30, seed=1)
    spectrum = product_spectrum(left, right, source(50, 30))
    expected = reference(left.double() @ right.double())
    np.testing.assert_allclose(spectrum.values[-4:], expected[-4:], rtol=1e-10)
    assert spectrum.values[:26].tolist() == [0.0] * 26
    assert spectrum.estimator.routine == "qr_svdvals rank 4 float64"


def test_random_matrices_have_no_entropy_deficit_and_a_diagonal_one_has_all_of_it() -> None:
    random = exact_spectrum(noise(200, 400), source(200, 400), vectors=True).scalars["entropy_deficit"]
    diagonal = exact_spectrum(torch.diag(torch.arange(1.0, 201.0)), source(200, 200), vectors=True)
    assert abs(random) < 0.02
    assert diagonal.scalars["entropy_deficit"] == pytest.approx(np.log(200) - 0.73, abs=0.02)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_weights_are_counted_by_the_layers_name(bad: float) -> None:
    matrix = noise(4, 5)
    matrix[1, 2] = bad
    with pytest.raises(MeasurementError, match=r"fc.weight \(weights\): 1 of 20 weights are NaN or infinite"):
        exact_spectrum(matrix, source(4, 5))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (2, 2, 2)])
def test_what_is_no_matrix_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="non-empty matrix"):
        exact_spectrum(torch.zeros(shape), source(3, 3))


def test_the_thread_counts_are_restored() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        counts = [pool["num_threads"] for pool in threadpool_info()]
        exact_spectrum(noise(5, 5), source(5, 5), threads=1)
        assert torch.get_num_threads() == 2
        assert [pool["num_threads"] for pool in threadpool_info()] == counts
    finally:
        torch.set_num_threads(before)
