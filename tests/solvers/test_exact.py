"""The exact solver against numpy's singular values, its policy, and what it leaves alone."""

import subprocess
import sys

import mpmath
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.matrices import matrices
from htmu_diag.solvers import UNIT, exact_spectra, exact_spectrum, matrix_spectrum, product_spectrum
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
    assert coarse.estimator.routine == "gram_eigvalsh float64, 22 unresolved"
    np.testing.assert_allclose(auto.values, exact, rtol=1e-3)
    assert np.abs(coarse.values / exact - 1).max() > 0.1


@pytest.mark.parametrize(
    "dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2]
)
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
    np.testing.assert_allclose(spectrum.values, expected[-4:], rtol=1e-10)
    assert (spectrum.dimension, spectrum.source.shape) == (4, (50, 4))
    with pytest.raises(InputError, match="do not make a matrix"):
        product_spectrum(left, right, source(30, 50))
    assert spectrum.estimator.routine == "qr_svdvals rank 4 float64"


def test_random_matrices_have_no_entropy_deficit_and_a_diagonal_one_has_all_of_it() -> None:
    random = exact_spectrum(noise(200, 400), source(200, 400), vectors=True).scalars["entropy_deficit"]
    diagonal = exact_spectrum(torch.diag(torch.arange(1.0, 201.0)), source(200, 200), vectors=True)
    assert abs(random) < 0.02
    assert diagonal.scalars["entropy_deficit"] == pytest.approx(np.log(200) - 0.73, abs=0.02)


@pytest.mark.parametrize("routine", ["gram", "svdvals"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_bad_weights_are_counted_by_the_layers_name(bad: float, dtype: torch.dtype, routine: str) -> None:
    matrix = noise(4, 5)
    matrix[1, 2] = bad if dtype != torch.float8_e4m3fn else float("nan")  # it has no infinity
    with pytest.raises(MeasurementError, match=r"fc.weight \(weights\): 1 of 20 weights are NaN or infinite"):
        exact_spectrum(matrix.to(dtype), source(4, 5), routine=routine)  # type: ignore[arg-type]


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


def test_threads_are_limited_in_numpys_blas_where_torch_has_one_already() -> None:
    code = """
import os
[os.environ.pop(name, None) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")]
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from htmu_diag.solvers.threads import blas_threads
torch.set_num_threads(1)
with threadpool_limits(2, user_api="blas"):
    with blas_threads(1):
        print(*[pool["num_threads"] for pool in threadpool_info() if "numpy" in pool["filepath"]])
    print(*[pool["num_threads"] for pool in threadpool_info() if "numpy" in pool["filepath"]])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() in (["1", "2"], [])  # [] for a numpy that is linked to a system's BLAS


def test_beside_a_training_only_numpys_own_blas_is_limited() -> None:
    code = """
import os
[os.environ.pop(name, None) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")]
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from htmu_diag.solvers.threads import numpy_on_one_thread
torch.set_num_threads(2)
def counts():
    return [(("numpy" in pool["filepath"]), pool["num_threads"]) for pool in threadpool_info()]
with threadpool_limits(2):
    before = counts()
    with numpy_on_one_thread():
        within, torchs = counts(), torch.get_num_threads()
    assert torchs == 2, torchs
    assert counts() == before
print(*sorted({count for of_numpy, count in within if of_numpy}), *[c for n, c in within if not n and c != 2])
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() in (["1"], ["1", "1"], [])  # scipy's is limited as well; [] for a system's BLAS


EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (12, 9), (9, 40)])
def test_an_ill_conditioned_matrix_is_known_to_the_bounds_of_its_routine(rows: int, columns: int) -> None:
    """Singular values to eps sigma_max, squared ones to eps N lambda_max, against 50 digits (Hilbert's matrix)."""
    with mpmath.workdps(50):
        hilbert = mpmath.matrix(rows, columns)
        for i in range(rows):
            for j in range(columns):
                hilbert[i, j] = mpmath.mpf(float(1 / (i + j + 1)))
        wide = hilbert if rows >= columns else hilbert.T
        exact = np.sort([float(value) for value in mpmath.svd_r(wide, compute_uv=False)])
        matrix = torch.tensor(
            [[float(hilbert[i, j]) for j in range(columns)] for i in range(rows)], dtype=torch.float64
        )
    larger = max(rows, columns)
    auto, gram_only = (exact_spectrum(matrix, source(rows, columns), routine=r) for r in ("auto", "gram"))  # type: ignore[arg-type]
    assert auto.estimator.routine == "svdvals float64"
    assert np.abs(np.sqrt(auto.values * larger) - exact).max() < 10 * EPS * exact[-1]
    assert np.abs(gram_only.values * larger - exact**2).max() < 10 * EPS * larger * exact[-1] ** 2
    assert np.abs(np.sqrt(gram_only.values * larger) - exact).max() > 1e4 * EPS * exact[-1]


@pytest.mark.parametrize("shape", [(500, 40), (40, 500), (81, 40)])
def test_an_elongated_matrix_is_reduced_block_by_block(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmu_diag.solvers.host._BLOCK", 40 * 60)
    matrix = noise(*shape, dtype=torch.float64)
    spectrum = exact_spectrum(matrix, source(*shape), routine="svdvals")
    np.testing.assert_allclose(spectrum.values, reference(matrix), rtol=1e-12)


def test_single_precision_products_are_summed_in_double_precision() -> None:
    matrix = noise(40_000, 8) + 1.0  # a single-precision sum of 40,000 like terms would lose four digits
    values = exact_spectrum(matrix, source(40_000, 8), dtype=torch.float32)
    np.testing.assert_allclose(values.values, reference(matrix), rtol=3e-6)
    assert values.estimator.routine == "gram_eigvalsh float32"


def test_a_rank_deficient_matrix_counts_what_it_cannot_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = noise(60, 20, dtype=torch.float64) @ noise(20, 50, seed=1, dtype=torch.float64)
    monkeypatch.setattr("htmu_diag.solvers.host.CHEAP_SIDE", 10)
    assert exact_spectrum(matrix, source(60, 50)).estimator.routine == "gram_eigvalsh float64, 30 unresolved"
    np.testing.assert_allclose(exact_spectrum(matrix, source(60, 50)).values[-20:], reference(matrix)[-20:], rtol=1e-9)


@pytest.mark.parametrize("routine", ["gram", "svdvals"])
def test_entropy_is_that_of_the_vectors_with_a_value(routine: str) -> None:
    """Ten unit vectors in 40 dimensions: the other thirty span a null space, of which any basis would do."""
    diagonal = torch.zeros(40, 60, dtype=torch.float64)
    diagonal[:10, :10] = torch.diag(torch.arange(1.0, 11.0, dtype=torch.float64))
    spectrum = exact_spectrum(diagonal, source(40, 60), routine=routine, vectors=True)  # type: ignore[arg-type]
    haar = float(mpmath.digamma(21) - mpmath.digamma(1.5))
    assert spectrum.scalars["entropy_deficit"] == pytest.approx(haar, rel=1e-9)
    nothing = exact_spectrum(torch.zeros(4, 5), source(4, 5), routine=routine, vectors=True)  # type: ignore[arg-type]
    assert "entropy_deficit" not in nothing.scalars


def test_a_batch_sends_its_ill_conditioned_members_to_svdvals() -> None:
    stack = [noise(12, 20, dtype=torch.float64), noise(12, 4, dtype=torch.float64) @ noise(4, 20, dtype=torch.float64)]
    first, second = exact_spectra(stack, [source(12, 20)] * 2)
    assert (first.estimator.routine, second.estimator.routine) == ("gram_eigvalsh float64", "svdvals float64")


def test_a_half_precision_matrix_is_widened_and_a_low_rank_product_solved_from_its_factors() -> None:
    net = torch.nn.Module()
    net.fc = torch.nn.Linear(30, 20).bfloat16()
    net.lora_A, net.lora_B = torch.nn.Parameter(noise(2, 30)), torch.nn.Parameter(noise(20, 2, seed=1))
    inventory = matrices(net)
    assert inventory["fc.weight"].stored().dtype == torch.bfloat16
    np.testing.assert_allclose(
        matrix_spectrum(inventory["fc.weight"]).values, reference(net.fc.weight.detach()), rtol=1e-9
    )
    product = matrix_spectrum(inventory["lora_delta"], step=3)
    assert product.estimator.routine == "qr_svdvals rank 2 float64"
    assert (product.source.step, product.source.name) == (3, "lora_delta")
    np.testing.assert_allclose(product.values, reference(net.lora_B.detach() @ net.lora_A.detach())[-2:], rtol=1e-5)


def test_a_complex_matrix_beside_real_ones_keeps_its_imaginary_part() -> None:
    real = noise(6, 15)
    unitary = torch.polar(torch.ones(6, 15), noise(6, 15, seed=1)).to(torch.complex64)  # modulus 1 everywhere
    together = exact_spectra([real, unitary, real], [source(6, 15)] * 3)
    expected = np.linalg.svd(unitary.numpy().astype(complex), compute_uv=False)[::-1] ** 2 / 15
    np.testing.assert_allclose(together[1].values, expected, rtol=1e-6)
    np.testing.assert_allclose(together[2].values, together[0].values, rtol=1e-14)
