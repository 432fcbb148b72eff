"""A parameter's per-sample Jacobian, in the two forms in which it is cheap to hold.

The gradient of output c of sample i with respect to a weight matrix that is applied at positions t is a sum of
outer products, J[i, c] = sum_t left[i, c, t] (x) right[i, c, t]: output gradients and inputs of a linear layer or of a
convolution (positions = pixels, right = patches), one-hot tokens and output gradients of an embedding. ``Factors``
holds the two sides; ``Rows`` holds J itself, which is small for biases and norms and for early convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Factors", "Piece", "Rows", "outer", "rows_of"]


@dataclass(frozen=True)
class Rows:
    """The Jacobian itself. values: (n, C, P)."""

    values: Tensor


@dataclass(frozen=True)
class Factors:
    """J = sum over positions of left (x) right, a (groups, rows, columns) array for each sample and output.

    left: (n, C or 1, G, T, rows), or the row index of each position (n, T) of a one-hot side.
    right: (n, C or 1, G, T, columns). Size 1 means that the side does not depend on the output.
    size: number of rows of a one-hot left side, 0 where left is dense.
    left_varies: which side depends on the output (the other has size 1 there).
    """

    left: Tensor
    right: Tensor
    size: int = 0
    left_varies: bool = True


Piece = Rows | Factors


def rows_of(piece: Piece, start: int, stop: int) -> Tensor:
    """Columns start to stop of the per-sample Jacobian, (n, C, stop - start)."""
    if isinstance(piece, Rows):
        return piece.values[..., start:stop]
    columns = piece.right.shape[-1]
    whole_rows = start % columns == 0 and stop % columns == 0 and piece.right.shape[2] == 1
    if not whole_rows:
        return outer(piece)[..., start:stop]
    first, last = start // columns, stop // columns
    if piece.size:
        return _scatter(piece.left, piece.right, first, last)
    return outer(Factors(piece.left[..., first:last], piece.right, 0, piece.left_varies))


def outer(piece: Factors) -> Tensor:
    """The Jacobian itself, (n, C, G * rows * columns)."""
    if piece.size:
        return _scatter(piece.left, piece.right, 0, piece.size)
    left, right = piece.left, piece.right
    if piece.left_varies:
        n, outputs, groups, positions, rows = left.shape
        wide = left.permute(0, 2, 1, 4, 3).reshape(n, groups, outputs * rows, positions)
        product = (wide @ right[:, 0]).reshape(n, groups, outputs, -1)
        return product.transpose(1, 2).reshape(n, outputs, -1)
    return (left.transpose(-1, -2) @ right).flatten(2)


def _scatter(index: Tensor, right: Tensor, first: int, last: int) -> Tensor:
    """Rows first to last of sum_t onehot(index[i, t]) (x) right[i, c, t]: right is added into the row of its token."""
    n, outputs, columns = right.shape[0], right.shape[1], right.shape[-1]
    rows = last - first
    inside = (index >= first) & (index < last)
    target = torch.arange(n, device=index.device)[:, None] * rows + (index - first)
    source = right[:, :, 0].permute(0, 2, 1, 3)[inside].flatten(1)
    sums = right.new_zeros(n * rows, outputs * columns).index_add_(0, target[inside], source)
    return sums.view(n, rows, outputs, columns).transpose(1, 2).reshape(n, outputs, rows * columns)
