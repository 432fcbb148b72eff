"""Eigenvalues computed on the device are those of the host."""

import numpy as np
import pytest
import torch

from htmu_diag.errors import MeasurementError
from htmu_diag.solvers import UNIT, exact_spectra, exact_spectrum, product_spectrum
from htmu_diag.spectrum import Kind, Source
from tests.gpu.marks import CUDA, GPU

pytestmark = GPU
SHAPES = [(2, 5), (32, 32), (64, 256), (300, 200), (768, 768), (1024, 3072)]


def source(shape: tuple[int, int], name: str = "w") -> Source:
    return Source(Kind.WEIGHTS, name, shape, 0, UNIT)


def drawn(shape: tuple[int, int], dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_device_gives_the_eigenvalues_of_the_host(shape: tuple[int, int], dtype: torch.dtype) -> None:
    matrix = drawn(shape, dtype)
    host, device = exact_spectrum(matrix, source(shape)), exact_spectrum(matrix.to(CUDA), source(shape))
    assert np.abs(device.values - host.values).max() <= 1e-12 * host.values[-1]


@pytest.mark.parametrize("precision", ["highest", "high"])
def test_single_precision_products_are_not_taken_in_tf32(precision: str) -> None:
    matrix, before = drawn((512, 4096)), torch.get_float32_matmul_precision()
    exact = exact_spectrum(matrix, source((512, 4096)))
    torch.set_float32_matmul_precision(precision)
    try:
        found = exact_spectrum(matrix.to(CUDA), source((512, 4096)), dtype=torch.float32)
    finally:
        torch.set_float32_matmul_precision(before)
    assert np.abs(found.values - exact.values).max() <= 1e-6 * exact.values[-1]


def test_a_matrix_of_low_rank_is_resolved_by_singular_values() -> None:
    matrix = drawn((256, 40), torch.float64) @ drawn((40, 512), torch.float64, seed=1)
    host, device = exact_spectrum(matrix, source((256, 512))), exact_spectrum(matrix.to(CUDA), source((256, 512)))
    assert "svdvals" in device.estimator.routine
    assert np.abs(np.sqrt(device.values) - np.sqrt(host.values)).max() <= 3e-14 * np.sqrt(host.values[-1])


@pytest.mark.parametrize("rank", [40, 256])
def test_products_of_the_device_and_eigenvalues_of_the_host_give_the_same(rank: int) -> None:
    matrix = drawn((256, rank), torch.float64) @ drawn((rank, 512), torch.float64, seed=1)
    host = exact_spectrum(matrix, source((256, 512)))
    shared = exact_spectrum(matrix.to(CUDA), source((256, 512)), values_on_host=True)
    assert shared.estimator == host.estimator
    assert np.abs(np.sqrt(shared.values) - np.sqrt(host.values)).max() <= 3e-14 * np.sqrt(host.values[-1])


def test_matrices_of_one_shape_go_as_one_batch() -> None:
    matrices = [drawn((128, 512), seed=seed).to(CUDA) for seed in range(6)]
    sources = [source((128, 512), f"w{k}") for k in range(6)]
    for found, matrix, of in zip(exact_spectra(matrices, sources), matrices, sources, strict=True):
        assert found.source == of
        assert np.allclose(found.values, exact_spectrum(matrix, of).values, rtol=1e-11, atol=0)


def test_a_product_of_factors_is_solved_on_the_device() -> None:
    left, right = drawn((90, 5)), drawn((5, 70), seed=1)
    host, device = (product_spectrum(left.to(d), right.to(d), source((90, 70))) for d in ("cpu", CUDA))
    assert np.allclose(device.values, host.values, rtol=1e-10, atol=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_layer_is_named(bad: float) -> None:
    matrix = drawn((40, 60)).to(CUDA)
    matrix[3, 4] = bad
    with pytest.raises(MeasurementError, match="w.*1 of 2400 weights"):
        exact_spectrum(matrix, source((40, 60)))
