"""Sizes at the very limit, matrices without full rank, and threads that are asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from htmu_diag.errors import InputError
from htmu_diag.operators.base import MatrixOperator
from htmu_diag.solvers import exact, host
from htmu_diag.solvers.dense import exact_operator_spectrum
from htmu_diag.solvers.singular import singular_values
from htmu_diag.solvers.traces import block_traces
from htmu_diag.solvers.vectors import entropy_deficit
from htmu_diag.spectrum import Kind, Source


def source(rows: int, columns: int) -> Source:
    return Source(Kind.WEIGHTS, "w", (rows, columns))


def test_an_operator_of_the_largest_size_is_solved_and_one_larger_is_not() -> None:
    operator = MatrixOperator(torch.diag(torch.arange(1.0, 6.0, dtype=torch.float64)))
    about = Source(Kind.HESSIAN, "m", (5, 5))
    np.testing.assert_allclose(exact_operator_spectrum(operator, about, largest=5).values, np.arange(1.0, 6.0))
    with pytest.raises(InputError, match="raise largest="):
        exact_operator_spectrum(operator, about, largest=4)


def test_a_block_without_a_row_is_refused() -> None:
    with pytest.raises(InputError, match="have that sum"):
        block_traces(MatrixOperator(torch.eye(4)), [4, 0], products=2)


def test_the_entropy_is_that_of_vectors_whose_values_are_known() -> None:
    """Of a matrix of rank 2 by singular values: the other vectors are any basis of what is left."""
    rng = np.random.default_rng(0)
    left, right = torch.from_numpy(rng.standard_normal((40, 2))), torch.from_numpy(rng.standard_normal((2, 60)))
    found = exact.exact_spectrum(left @ right, source(40, 60), routine="svdvals", vectors=True)
    basis = torch.linalg.svd(left @ right, full_matrices=False)[0][:, :2]
    assert found.scalars["entropy_deficit"] == pytest.approx(entropy_deficit(basis), rel=1e-9)


def test_the_threads_asked_for_are_those_of_a_matrix_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    @contextmanager
    def noted(threads: int | None) -> Iterator[None]:
        asked.append(threads)
        yield

    monkeypatch.setattr(host, "blas_threads", noted)
    exact.exact_spectrum(torch.randn(6, 8), source(6, 8), threads=3)
    assert asked == [3]


def test_another_device_than_a_gpu_of_cuda_has_its_own_choice_of_routine() -> None:
    assert singular_values(torch.empty(3, 5, device="meta")).shape == (3,)
