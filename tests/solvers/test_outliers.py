"""Known eigenvalues: orthonormal vectors, no copy of one known before, a trace that splits exactly."""

import numpy as np
import pytest
import torch

from htmu_diag.operators.base import MatrixOperator
from htmu_diag.solvers.outliers import Outliers, believable, converged
from htmu_diag.solvers.tridiagonal import Tridiagonal, lanczos, start_vector


def problem(dtype: torch.dtype) -> tuple[MatrixOperator, Tridiagonal]:
    """Eigenvalues 100 exp(-0.15 k) and 40 Lanczos steps, which reach about the 35 largest."""
    values = 100 * torch.exp(-0.15 * torch.arange(180, dtype=torch.float64))
    basis = torch.linalg.qr(torch.randn(180, 180, generator=torch.Generator().manual_seed(9), dtype=torch.float64))[0]
    of = MatrixOperator(((basis * values) @ basis.T).to(dtype))
    return of, lanczos(of, steps=40, v0=start_vector(of, torch.Generator().manual_seed(1)))


def known(run: Tridiagonal, room: int = 180) -> Outliers:
    outliers = Outliers(180, room)
    outliers.add(run, converged(run))
    return outliers


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_vectors_of_a_semi_orthogonal_basis_become_orthonormal(dtype: torch.dtype) -> None:
    _, run = problem(dtype)
    assert run.basis is not None
    rows, eps = torch.cat(known(run).blocks).double(), torch.finfo(dtype).eps
    assert len(rows) > 20
    assert float((rows @ rows.T - torch.eye(len(rows))).abs().max()) < 10 * eps
    basis = run.basis.double()
    assert float((basis @ basis.T - torch.eye(40)).abs().max()) > 100 * eps


def test_the_trace_is_that_of_the_outliers_and_of_what_is_beside_them() -> None:
    of, run = problem(torch.float64)
    outliers = known(run)
    rows = torch.cat(outliers.blocks)
    beside = torch.eye(180) - rows.T @ rows
    left = float(torch.trace(beside @ of.matrix @ beside))
    assert sum(outliers.values) + left == pytest.approx(float(torch.trace(of.matrix)), rel=1e-13)
    assert max(outliers.residuals) > 1e-4  # although the pairs are not exact


def test_a_pair_that_is_known_is_not_added_again() -> None:
    _, run = problem(torch.float64)
    outliers = known(run)
    count = len(outliers.values)
    assert not outliers.add(run, converged(run)).any()
    assert len(outliers.values) == count


def test_the_largest_magnitudes_come_first_where_room_is_short() -> None:
    _, run = problem(torch.float64)
    few = known(run, room=3)
    assert np.allclose(sorted(few.values), sorted(known(run).values)[-3:])


def test_a_gap_below_the_rounding_of_a_product_is_no_gap() -> None:
    _, run = problem(torch.float64)
    assert converged(run).sum() > 20
    assert converged(run, norm=1e18).sum() == 0


def test_a_weight_that_no_single_eigenvalue_has_is_not_believed() -> None:
    every = np.ones(4, bool)
    assert believable(np.array([0.1, 1.0, 5.0, 2.0]), every).all()
    assert believable(np.array([0.1, 1.0, 50.0, 2.0]), every).tolist() == [True, True, False, True]
    assert not believable(np.full(4, 6.0), every).any()  # each may be, all together are not
