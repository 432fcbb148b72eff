"""A symmetric linear operator that is known only by its products with vectors.

Everything a solver may ask of an operator A of dimension N: its shape, where its vectors live, and A v. An operator
has no eigenvalues and no algorithm; whatever distributes or shifts it wraps it (``AllReduced``, ``Shifted``).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch

from htmu_diag.arguments import checked, having, real
from htmu_diag.errors import InputError
from htmu_diag.model.arguments import TENSOR

__all__ = ["MatrixOperator", "Operator", "Shifted", "as_columns"]


@runtime_checkable
class Operator(Protocol):
    """A real symmetric operator on flat vectors.

    shape: (N, N). dtype, device: of the vectors it takes and returns.
    """

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def device(self) -> torch.device: ...

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        """A v for ``vector`` (N,); a new tensor (N,) without a graph."""
        ...

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        """A V for ``columns`` (N, k); a new tensor (N, k)."""
        ...


class MatrixOperator:
    """A symmetric matrix as an operator, ``matrix`` (N, N). Raises InputError where it is not square."""

    @checked(matrix=TENSOR)
    def __init__(self, matrix: torch.Tensor) -> None:
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise InputError(f"a matrix of shape {tuple(matrix.shape)} is no operator; pass a square symmetric one")
        self.matrix = matrix
        self.shape = (matrix.shape[0], matrix.shape[0])
        self.dtype, self.device = matrix.dtype, matrix.device

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        return self.matrix @ vector

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        return self.matrix @ columns


class Shifted:
    """A + shift I: weight decay on a Hessian, jitter on a kernel."""

    @checked(operator=having("an operator", "shape", "matvec"), shift=real())
    def __init__(self, operator: Operator, shift: float) -> None:
        self.operator, self.shift = operator, shift
        self.shape, self.dtype, self.device = operator.shape, operator.dtype, operator.device

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        return self.operator.matvec(vector) + self.shift * vector

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        return self.operator.matmat(columns) + self.shift * columns


def as_columns(operator: Operator, columns: torch.Tensor) -> torch.Tensor:
    """``matmat`` for operators that only know ``matvec``: one product after the other, (N, k)."""
    return torch.stack([operator.matvec(column) for column in columns.T], dim=1)
