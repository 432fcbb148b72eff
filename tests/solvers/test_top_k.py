"""Extreme eigenpairs against dense eigenvalues."""

import numpy as np
import pytest
import torch

from htmu_diag.errors import InputError
from htmu_diag.operators.base import MatrixOperator
from htmu_diag.solvers.dense import exact_operator_spectrum
from htmu_diag.solvers.eigenpairs import Which, top_k
from htmu_diag.spectrum import Kind, Source


def symmetric(size: int, dtype: torch.dtype = torch.float64) -> MatrixOperator:
    a = torch.randn(size, size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return MatrixOperator(((a + a.T) / 2).to(dtype))


@pytest.mark.parametrize("which", ["largest", "smallest", "both"])
@pytest.mark.parametrize("max_basis", [None, 25])
def test_extreme_eigenvalues_equal_the_dense_ones(which: Which, max_basis: int | None) -> None:
    operator = symmetric(300)
    exact = torch.linalg.eigvalsh(operator.matrix).numpy()
    wanted = {"largest": exact[-4:], "smallest": exact[:4], "both": np.r_[exact[:4], exact[-4:]]}[which]
    pairs = top_k(operator, 4, which, max_basis=max_basis, max_products=2000)
    assert pairs.converged
    assert np.allclose(pairs.values, wanted, atol=1e-8)


def test_residuals_are_those_of_the_returned_vectors() -> None:
    operator = symmetric(200)
    pairs = top_k(operator, 3, tolerance=1e-3)
    direct = pairs.vectors @ operator.matrix - torch.as_tensor(pairs.values)[:, None] * pairs.vectors
    assert np.allclose(direct.norm(dim=1).numpy(), pairs.residuals, atol=1e-10)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_tolerances_are_relative(scale: float) -> None:
    pairs = top_k(MatrixOperator(symmetric(100, torch.float32).matrix * scale), 1)
    exact = float(torch.linalg.eigvalsh(symmetric(100).matrix)[-1]) * scale
    assert pairs.converged
    assert pairs.values[0] == pytest.approx(exact, rel=1e-5)


def test_too_few_products_are_reported_not_hidden() -> None:
    assert not top_k(symmetric(300), 5, max_products=12).converged


def test_a_multiple_eigenvalue_of_a_small_operator_is_found_with_its_multiplicity() -> None:
    pairs = top_k(MatrixOperator(torch.diag(torch.tensor([1.0, 5, 5, 5]))), 3)
    assert np.allclose(pairs.values, 5)


def test_more_pairs_than_the_dimension_are_refused() -> None:
    with pytest.raises(InputError, match="1 <= k <= 3"):
        top_k(MatrixOperator(torch.eye(3)), 4)


def test_a_top_k_spectrum_is_censored() -> None:
    spectrum = top_k(symmetric(50), 2).spectrum(Source(Kind.HESSIAN, "model", (50, 50)))
    assert spectrum.is_censored
    assert spectrum.mass == pytest.approx(2 / 50)


def test_all_eigenvalues_of_a_small_operator() -> None:
    operator = symmetric(40, torch.float32)
    spectrum = exact_operator_spectrum(operator, Source(Kind.HESSIAN, "model", (40, 40)))
    assert np.allclose(spectrum.values, torch.linalg.eigvalsh(operator.matrix.double()).numpy(), atol=1e-5)
    assert spectrum.estimator.products == 40


def test_a_large_operator_has_no_dense_spectrum() -> None:
    with pytest.raises(InputError, match="use spectral_density or top_k"):
        exact_operator_spectrum(symmetric(40), Source(Kind.HESSIAN, "model", (40, 40)), largest=39)
