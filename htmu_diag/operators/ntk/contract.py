"""Contractions: from stored Jacobians to the kernel, one block of samples at a time.

Rows: K += M M^T with M the (n C) x P Jacobian ("full"), or the n x (C P) one ("trace": summing over outputs is
summing over columns). Pairs: with J = sum_t shared_t (x) varying_t, the Jacobian is never formed,

    K[(i, c), (j, d)] = sum_{t, s} <shared_it, shared_js> <varying_ict, varying_jds>,

which for one position is the elementwise product of two Gram matrices. For several positions and outputs the sum over s
is done first (Y = S varying), which is cheaper by about the number of positions, in blocks whose Y stays in the cache
(three times faster than with hundreds of megabytes). Only blocks on and above the diagonal are computed; ``mirror``
fills the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BLOCK", "add_pairs", "add_rows", "mirror"]

BLOCK = 64  # rows of a block: smallest with full matrix-product speed, so that nearly half of the products are saved


def add_rows(kernel: Tensor, rows: Tensor, *, trace: bool) -> None:
    """Add M M^T to the upper blocks of ``kernel``. rows: (n, C, P)."""
    matrix = rows.flatten(1) if trace else rows.flatten(0, 1)
    block = max(BLOCK, -(-len(matrix) // 32))
    for start in range(0, len(matrix), block):
        kernel[start : start + block, start:].addmm_(matrix[start : start + block], matrix[start:].T)


def add_pairs(kernel: Tensor, shared: Tensor, varying: Tensor, *, trace: bool, block: int) -> None:
    """Add the pair contraction to the upper blocks of ``kernel``.

    shared: (n, G, T, q), or (n, T) indices of a one-hot side. varying: (n, C, G, T, r). block: samples of a block.
    """
    n, outputs = varying.shape[:2]
    width = 1 if trace else outputs
    product = _trace_block if trace else _outer_block if varying.shape[3] == 1 else _full_block
    for start in range(0, n, block):
        for other in range(start, n, block):
            i, j = slice(start, min(start + block, n)), slice(other, min(other + block, n))
            target = kernel[i.start * width : i.stop * width, j.start * width : j.stop * width]
            for group in range(varying.shape[2]):
                target += product(
                    _gram(shared[i], shared[j], group, varying), varying[i, :, group], varying[j, :, group]
                )


def mirror(kernel: Tensor) -> Tensor:
    """Copy the blocks above the diagonal below it, in place."""
    for start in range(0, len(kernel), 1024):
        stop = start + 1024
        corner = kernel[start:stop, start:stop]
        corner.copy_(corner.triu() + corner.triu(1).T)
        kernel[stop:, start:stop] = kernel[start:stop, stop:].T
    return kernel


def _gram(left: Tensor, right: Tensor, group: int, like: Tensor) -> Tensor:
    """<shared_it, shared_js> for all positions of two blocks, (bi * T, bj * T)."""
    if left.ndim == 2:
        return (left.reshape(-1, 1) == right.reshape(1, -1)).to(like.dtype)
    return left[:, group].flatten(0, 1) @ right[:, group].flatten(0, 1).T


def _trace_block(gram: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """sum_{c, t, s} gram * <left_ict, right_jcs>, (bi, bj). left: (bi, C, T, r)."""
    rows, columns = (side.transpose(1, 2).flatten(2).flatten(0, 1) for side in (left, right))
    product = gram.mul_(rows @ columns.T)
    positions = left.shape[2]
    if positions == 1:
        return product
    return product.view(left.shape[0], positions, -1).sum(1).view(left.shape[0], -1, positions).sum(-1)


def _outer_block(gram: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """gram * <left_ic, right_jd> at one position, (bi * C, bj * C)."""
    bi, bj, outputs = left.shape[0], right.shape[0], left.shape[1]
    products = left.flatten(0, 2) @ right.flatten(0, 2).T
    products.view(bi, outputs, bj, outputs).mul_(gram[:, None, :, None])
    return products


def _full_block(gram: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """sum_{t, s} gram * <left_ict, right_jds>, (bi * C, bj * C).

    Y[it, (j d r)] is written with j inside, so that the second product reads it in place, one position at a time.
    """
    bi, outputs, positions, size = left.shape
    bj = right.shape[0]
    summed = left.new_empty(bi * positions, bj, outputs * size)
    weights = gram.view(bi * positions, bj, positions).transpose(0, 1)
    torch.bmm(weights, right.transpose(1, 2).flatten(2), out=summed.transpose(0, 1))
    ordered = summed.view(bi, positions, bj * outputs, size).transpose(2, 3)
    total = torch.bmm(left[:, :, 0], ordered[:, 0])
    for t in range(1, positions):
        total.baddbmm_(left[:, :, t], ordered[:, t])
    return total.view(bi * outputs, bj * outputs)
