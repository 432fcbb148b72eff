"""The Lanczos process on matrices whose spectrum is known."""

import math

import numpy as np
import pytest
import torch

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.base import MatrixOperator
from htmu_diag.solvers.orthogonality import Overlap
from htmu_diag.solvers.tridiagonal import Tridiagonal, lanczos, start_vector


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def with_eigenvalues(values: torch.Tensor, dtype: torch.dtype = torch.float64) -> MatrixOperator:
    """A matrix with these eigenvalues in a Haar basis."""
    n = values.numel()
    basis = torch.linalg.qr(torch.randn(n, n, generator=rng(), dtype=torch.float64))[0]
    return MatrixOperator(((basis * values.double()) @ basis.T).to(dtype))


def outliers(size: int = 400) -> torch.Tensor:
    bulk = 0.3 * torch.randn(size - 8, generator=rng(1), dtype=torch.float64)
    return torch.cat([torch.tensor([50.0, 40, 25, 20, 15, 9, 6, -4]).double(), bulk])


@pytest.mark.parametrize("policy", ["full", "selective"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_basis_stays_orthonormal_where_ritz_values_converge(policy: str, dtype: torch.dtype) -> None:
    operator = with_eigenvalues(outliers(), dtype)
    run = lanczos(operator, steps=60, v0=start_vector(operator, rng()), reorthogonalize=policy)
    assert run.basis is not None
    gram = run.basis @ run.basis.T
    assert (gram - torch.eye(60, dtype=dtype)).abs().max() < math.sqrt(torch.finfo(dtype).eps)


class Rounded(MatrixOperator):
    """Products with 8 bits, as noisy as those of a convolutional network in float32 far from its scale."""

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        return super().matvec(vector).bfloat16().to(self.dtype)


@pytest.mark.parametrize("seed", range(4))
def test_the_basis_stays_orthogonal_however_noisy_the_products_are(seed: int) -> None:
    operator = Rounded(with_eigenvalues(outliers(), torch.float32).matrix)
    run = lanczos(operator, steps=60, v0=start_vector(operator, rng(seed)), reorthogonalize="selective")
    assert run.basis is not None
    assert (run.basis @ run.basis.T - torch.eye(60)).abs().max() < 0.01
    assert (np.abs(run.ritz()[0] - 50) < 1).sum() == 1


@pytest.mark.parametrize("policy", ["full", "selective"])
def test_a_small_remainder_stays_orthogonal_to_deflated_vectors(policy: str) -> None:
    values = torch.cat([torch.tensor([1e5, 9e4, 8e4]), torch.logspace(0, -9, 57)]).double()
    basis = torch.linalg.qr(torch.randn(60, 60, generator=rng(), dtype=torch.float64))[0]
    known = basis[:, :3].T.contiguous()
    operator = MatrixOperator((basis * values) @ basis.T)
    run = lanczos(operator, steps=57, v0=start_vector(operator, rng(1)), against=[known], reorthogonalize=policy)
    assert run.basis is not None
    assert (run.basis @ known.T).abs().max() < 1e-8
    assert (run.basis @ run.basis.T - torch.eye(run.steps, dtype=torch.float64)).abs().max() < 1e-7


def test_without_reorthogonalisation_the_same_matrix_gives_ghosts() -> None:
    operator = with_eigenvalues(outliers(), torch.float32)
    run = lanczos(operator, steps=60, v0=start_vector(operator, rng()), reorthogonalize="none")
    assert (np.abs(run.ritz()[0] - 50) < 1e-3).sum() > 1


def test_the_tridiagonal_matrix_is_the_projection_of_the_operator() -> None:
    operator = with_eigenvalues(outliers())
    run = lanczos(operator, steps=30, v0=start_vector(operator, rng()), reorthogonalize="full")
    assert run.basis is not None
    projected = (run.basis @ operator.matrix @ run.basis.T).numpy()
    expected = np.diag(run.alphas) + np.diag(run.betas[:-1], 1) + np.diag(run.betas[:-1], -1)
    assert np.abs(projected - expected).max() < 1e-10


def test_a_semi_orthogonal_basis_gives_the_same_ritz_values_for_less_work() -> None:
    operator = with_eigenvalues(outliers())
    v0 = start_vector(operator, rng())
    full = lanczos(operator, steps=60, v0=v0, reorthogonalize="full")
    selective = lanczos(operator, steps=60, v0=v0, reorthogonalize="selective")
    assert np.allclose(full.ritz()[0], selective.ritz()[0], atol=1e-12)
    assert selective.reorthogonalized < full.reorthogonalized


def test_converged_ritz_vectors_take_the_place_of_the_whole_basis() -> None:
    operator, counts = with_eigenvalues(outliers(), torch.float32), []
    for seed in range(5):
        v0 = start_vector(operator, rng(seed))
        full, without, within = (
            lanczos(operator, steps=60, v0=v0, reorthogonalize=policy, spare=spare)
            for policy, spare in (("full", None), ("selective", 0), ("selective", None))
        )
        assert within.basis is not None
        assert (within.basis @ within.basis.T - torch.eye(60)).abs().max() < 2 * math.sqrt(
            torch.finfo(torch.float32).eps
        )
        assert np.allclose(full.ritz()[0], within.ritz()[0], rtol=0, atol=1e-5)
        counts.append((within.reorthogonalized, without.reorthogonalized))
    few, many = np.sum(counts, axis=0)
    assert few < 0.95 * many


def test_overlaps_are_measured_to_the_mean_of_their_squares() -> None:
    basis = torch.linalg.qr(torch.randn(300, 40, generator=rng(), dtype=torch.float64))[0].T.contiguous()
    overlap = Overlap(basis[0])
    for row in basis:
        overlap.add(row)
    inside = torch.randn(4000, 40, generator=rng(1), dtype=torch.float64) @ basis
    outside = torch.randn(300, generator=rng(2), dtype=torch.float64)
    outside -= basis.T @ (basis @ outside)
    ratios = [(overlap.length(w) / float(w.norm())) ** 2 for w in inside]
    assert abs(np.mean(ratios) - 1) < 5 * np.std(ratios) / math.sqrt(4000) < 0.1
    assert overlap.length(outside) < 1e-13


@pytest.mark.parametrize("seen", [slice(None), slice(0, None, 2), slice(1, None, 2)])
def test_no_parity_of_the_overlaps_hides_them(seen: slice) -> None:
    basis = torch.eye(40)
    overlap = Overlap(basis[0])
    for row in basis:
        overlap.add(row)
    inside = torch.randn(4000, len(basis[seen]), generator=rng(), dtype=torch.float32) @ basis[seen]
    missed = [overlap.length(w) < 0.1 * float(w.norm()) for w in inside]
    assert np.mean(missed) < 0.02  # 1 % of chi^2_2; 8 % of chi^2_1, one sum alone


def test_the_basis_stays_orthogonal_where_even_and_odd_vectors_decouple() -> None:
    half, lost = outliers()[:200].abs().float(), []
    operator = MatrixOperator(torch.zeros(400, 400))
    operator.matrix[:200, 200:] = operator.matrix[200:, :200] = half.diag()
    for seed in range(20):
        v0 = start_vector(operator, rng(seed))
        v0[200:] = 0
        lost.append(loss(lanczos(operator, steps=60, v0=v0)))
    assert np.median(lost) < 0.5
    assert max(lost) < 3


def test_residuals_are_those_of_the_lifted_ritz_vectors() -> None:
    operator = with_eigenvalues(outliers())
    run = lanczos(operator, steps=30, v0=start_vector(operator, rng()), reorthogonalize="full")
    theta, vectors = run.ritz()
    lifted = run.lift(vectors)
    direct = (lifted @ operator.matrix - torch.as_tensor(theta)[:, None] * lifted).norm(dim=1)
    assert np.allclose(direct.numpy(), run.residuals(vectors), atol=1e-9)


def test_an_invariant_subspace_ends_the_run() -> None:
    operator = MatrixOperator(torch.diag(torch.tensor([1.0, 1, 1, 2, 2, 2], dtype=torch.float64)))
    run = lanczos(operator, steps=6, v0=torch.ones(6))
    assert run.exhausted
    assert run.steps == 2
    assert np.allclose(run.ritz()[0], [1, 2])


def test_deflated_directions_are_never_entered() -> None:
    operator = MatrixOperator(torch.diag(torch.arange(1.0, 41.0)))
    known = torch.eye(40)[-2:]
    run = lanczos(operator, steps=38, v0=torch.ones(40), against=[known], reorthogonalize="full")
    assert run.ritz()[0].max() == pytest.approx(38, abs=1e-4)


def test_a_nan_product_is_refused() -> None:
    with pytest.raises(MeasurementError, match="product 1 is NaN"):
        lanczos(MatrixOperator(torch.full((3, 3), math.nan)), steps=2, v0=torch.ones(3))


def test_a_start_vector_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(3,\)"):
        lanczos(MatrixOperator(torch.eye(3)), steps=2, v0=torch.ones(4))


def loss(run: Tridiagonal) -> float:
    """The largest overlap of two basis vectors, over sqrt(eps)."""
    assert run.basis is not None
    gram = (run.basis @ run.basis.T - torch.eye(run.steps, dtype=run.basis.dtype)).abs().max()
    return float(gram) / math.sqrt(torch.finfo(run.basis.dtype).eps)


def test_the_basis_stays_orthonormal_where_the_bulk_is_near_the_rounding_of_the_largest_eigenvalue() -> None:
    values = torch.cat([0.1 * torch.rand(585, generator=rng(4)), 2.0 ** torch.arange(15)])
    operator = with_eigenvalues(values, torch.float32)
    for seed in range(20):
        run = lanczos(operator, steps=56, v0=start_vector(operator, rng(seed)))
        assert loss(run) < 5
        assert np.abs(run.ritz()[0]).max() < 2.0**14 * (1 + 1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_run_beside_vectors_that_are_not_exact_stays_orthogonal_to_them_and_in_itself(seed: int) -> None:
    operator = with_eigenvalues(100 * torch.exp(-0.15 * torch.arange(180, dtype=torch.float64)))
    blocks: list[torch.Tensor] = []
    for _ in range(4):
        start = start_vector(operator, rng(seed + len(blocks)))
        run = lanczos(operator, steps=56, v0=start, against=blocks, norm=100.0 if blocks else 0.0)
        assert run.basis is not None
        assert loss(run) < 5
        assert all(float((run.basis @ block.T).abs().max()) < 1e-13 for block in blocks)
        theta, vectors = run.ritz()
        rows = run.lift(vectors[:, run.residuals(vectors) < 1e-2 * np.abs(theta)])
        blocks.append(torch.linalg.qr(rows.T)[0].T)
