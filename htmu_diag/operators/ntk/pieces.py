"""A parameter's per-sample Jacobian, in the two forms in which it is cheap to hold.

The gradient of output c of sample i with respect to a weight matrix that is applied at positions t is a sum of
outer products, J[i, c] = sum_t left[i, c, t] (x) right[i, c, t]: output gradients and inputs of a linear layer or of a
convolution (positions = pixels, right = patches), one-hot tokens and output gradients of an embedding. ``Factors``
holds the two sides; ``Rows`` holds J itself, which is small for biases and norms and for early convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Factors", "Piece", "Rows", "outer", "outputs_of", "write_rows"]


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


def write_rows(pieces: Sequence[Piece], start: int, stop: int, target: Tensor) -> None:
    """Columns start to stop of the per-sample Jacobian, summed over pieces, into ``target`` (n, C, stop - start)."""
    for index, piece in enumerate(pieces):
        part = _cut(piece, start, stop)
        if isinstance(part, Factors) and part.left_varies and not part.size and part.left.dtype == target.dtype:
            left, right = _wide(part)[:, 0], part.right[:, 0, 0]
            product = target.view(len(target), left.shape[1], -1)
            product.baddbmm_(left, right) if index else torch.bmm(left, right, out=product)
        else:
            values = part.values if isinstance(part, Rows) else outer(part)
            target.add_(values) if index else target.copy_(values)


def outputs_of(piece: Piece) -> int:
    """C, the number of outputs."""
    if isinstance(piece, Rows):
        return piece.values.shape[1]
    return piece.left.shape[1] if piece.left_varies else piece.right.shape[1]


def _cut(piece: Piece, start: int, stop: int) -> Piece:
    """Columns start to stop of a piece: as factors where they are whole rows of a single group."""
    if isinstance(piece, Rows):
        return Rows(piece.values[..., start:stop])
    columns = piece.right.shape[-1]
    if start % columns or stop % columns or piece.right.shape[2] > 1:
        return Rows(outer(piece)[..., start:stop])
    first, last = start // columns, stop // columns
    if piece.size:
        return Factors(piece.left - first, piece.right, last - first, piece.left_varies)
    return Factors(piece.left[..., first:last], piece.right, 0, piece.left_varies)


def _wide(piece: Factors) -> Tensor:
    """The left side with outputs and rows together, (n, G, C * rows, T)."""
    n, outputs, groups, positions, rows = piece.left.shape
    return piece.left.permute(0, 2, 1, 4, 3).reshape(n, groups, outputs * rows, positions)


def outer(piece: Factors) -> Tensor:
    """The Jacobian itself, (n, C, G * rows * columns)."""
    if piece.size:
        return _scatter(piece.left, piece.right, piece.size)
    if piece.left_varies:
        n, outputs, groups = piece.left.shape[:3]
        product = (_wide(piece) @ piece.right[:, 0]).reshape(n, groups, outputs, -1)
        return product.transpose(1, 2).reshape(n, outputs, -1)
    return (piece.left.transpose(-1, -2) @ piece.right).flatten(2)


def _scatter(index: Tensor, right: Tensor, rows: int) -> Tensor:
    """sum_t onehot(index[i, t]) (x) right[i, c, t] over tokens in [0, rows): right is added into its token's row."""
    n, outputs, columns = right.shape[0], right.shape[1], right.shape[-1]
    inside = (index >= 0) & (index < rows)
    target = torch.arange(n, device=index.device)[:, None] * rows + index
    source = right[:, :, 0].permute(0, 2, 1, 3)[inside].flatten(1)
    sums = right.new_zeros(n * rows, outputs * columns).index_add_(0, target[inside], source)
    return sums.view(n, rows, outputs, columns).transpose(1, 2).reshape(n, outputs, rows * columns)
