"""Keeping vectors orthogonal: classical Gram-Schmidt as matrix products, and a measure of when it is needed."""

from __future__ import annotations

import itertools
import math
from typing import Protocol

import numpy as np
import torch

__all__ = ["Overlap", "Rows", "empty_rows", "project_out"]


class Rows(Protocol):
    """Orthonormal rows that are kept in another form than one tensor."""

    def take_out(self, vector: torch.Tensor) -> None:
        """Remove from ``vector`` (N,), in place, its components along the rows."""


def project_out(vector: torch.Tensor, *blocks: torch.Tensor | Rows) -> float:
    """Remove from ``vector`` (N,), in place, its components along the orthonormal rows of each block (m, N).

    A second time only where the first took more than half of the squared length, as in Daniel, Gragg, Kaufman &
    Stewart (1976): otherwise its rounding is below that of the vector. Returns the length that is left.
    """
    before = after = float(vector.norm())
    for _ in range(2 if blocks else 0):
        for block in blocks:
            if isinstance(block, torch.Tensor):
                vector.addmv_(block.T, block @ vector, alpha=-1)
            else:
                block.take_out(vector)
        before, after = after, float(vector.norm())
        if after > before * math.sqrt(0.5):
            break
    return after


def empty_rows(count: int, size: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Room for vectors, (count, size). On the CPU by numpy, which asks the system for huge pages (see decisions.md)."""
    if device.type != "cpu":
        return torch.empty(count, size, dtype=dtype, device=device)
    room = np.empty((count, size), f"i{dtype.itemsize}")  # numpy has no bfloat16
    return torch.from_numpy(room).view(dtype)


class Overlap:
    """How far a new vector is from orthogonal to all basis vectors so far, for the cost of a few of them.

    With independent random signs s_k, the mean of (sum_k s_k q_k . w)^2 is sum_k (q_k . w)^2. Two such sums are kept,
    of two basis vectors in turn: with a single one, overlaps of 0.5 were missed, and with every second vector in each
    there is only a single one where even and odd vectors decouple (a start on one side of a bipartite operator).
    A prediction (Simon 1984) costs less, but must know the noise of a product, which on convolutional networks is
    hundreds of times eps |A|.
    """

    def __init__(self, like: torch.Tensor) -> None:
        self._sums = empty_rows(2, like.numel(), like.dtype, like.device).zero_()
        first, second = self._sums
        self._turns = itertools.cycle([first, first, second, second])
        self._signs = np.random.default_rng(1)  # of six fixed sequences the best on 240 operators; 0 was the worst

    def length(self, vector: torch.Tensor) -> float:
        """Estimated length of the part of ``vector`` (N,) along the basis."""
        return float((self._sums @ vector).norm())

    def add(self, vector: torch.Tensor) -> None:
        """Count ``vector`` (N,), of length 1, to the basis."""
        next(self._turns).add_(vector, alpha=float(self._signs.choice([-1.0, 1.0])))
