"""Traces of diagonal blocks from products that all blocks share."""

import pytest
import torch

from htmu_diag.errors import InputError
from htmu_diag.operators.base import MatrixOperator
from htmu_diag.solvers.traces import block_traces

SIZES = [40, 1, 15, 64]


def matrix() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    square = torch.randn(sum(SIZES), sum(SIZES), generator=generator, dtype=torch.float64)
    return square + square.T + 5 * torch.diag(torch.arange(sum(SIZES), dtype=torch.float64))


def exact(of: torch.Tensor) -> torch.Tensor:
    return torch.stack([piece.sum() for piece in of.diagonal().split(SIZES)])


def scores(against: torch.Tensor) -> torch.Tensor:
    """(seeds, blocks): error over standard error of traces from twelve products."""
    of = MatrixOperator(matrix())
    rows = []
    for seed in range(200):
        found = block_traces(of, SIZES, products=12, rng=torch.Generator().manual_seed(seed))
        rows.append([(e.value - float(t)) / e.stderr for e, t in zip(found, against, strict=True)])
    return torch.tensor(rows)


def test_the_traces_are_unbiased_and_their_errors_are_those_they_state() -> None:
    found = scores(exact(matrix()))
    assert (found.mean(0).abs() < 4 * found.std(0) / 200**0.5).all()
    assert ((found.std(0) > 0.8) & (found.std(0) < 1.5)).all()  # of Student's t with 11 degrees of freedom: 1.11


def test_a_trace_that_leaves_out_part_of_the_block_is_noticed() -> None:
    wrong = exact(matrix()) - torch.tensor([0.0, 0.0, 0.0, 60.0])
    shifted = scores(wrong).mean(0) / scores(wrong).std(0) * 200**0.5
    assert shifted[3] > 4
    assert (shifted[:3].abs() < 4).all()


def test_a_block_diagonal_identity_is_exact() -> None:
    found = block_traces(MatrixOperator(torch.eye(sum(SIZES), dtype=torch.float64)), SIZES, products=3)
    assert [e.value for e in found] == pytest.approx(SIZES)
    assert max(e.stderr for e in found) < 1e-5


def test_one_product_has_no_standard_error() -> None:
    with pytest.raises(InputError, match="at least 2 products"):
        block_traces(MatrixOperator(torch.eye(3)), [3], products=1)
