"""Ordered random numbers of bootstrap replicates: one table for samples of every size.

If e_1, e_2, ... are independent exponential numbers, then -log of the j-th smallest of n uniform numbers is distributed
as H_n - H_(j-1) with H_j = e_1/1 + ... + e_j/j, for all j together (Renyi 1953). So one row of exponential numbers
gives the ordered uniform numbers of a sample of any size, and nothing is sorted. The numbers of a replicate do not
depend on the data: those of a seed are kept, and all spectra share them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["FAR", "Cells", "Exponentials", "Ordered", "Singles", "drawn", "seeded"]

Singles = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]
# (rows, columns) of the next rows
Exponentials = Callable[[int, int], Floats]

_FIRST = 128  # columns of the first block; each one after it doubles the width so far
FAR = np.float32(1e30)  # beyond every logarithm


def drawn(rng: np.random.Generator) -> Exponentials:
    """Numbers that a generator draws, row by row."""
    return lambda rows, columns: rng.standard_exponential((rows, columns))


def seeded(seed: int) -> Exponentials:
    """Numbers that depend on the seed, their row and their column alone: not on how many are asked for."""
    blocks: list[np.random.Generator] = []

    def next_rows(rows: int, columns: int) -> Floats:
        parts: list[Floats] = []
        width = 0
        while width < columns:
            if len(blocks) == len(parts):
                blocks.append(np.random.default_rng([seed, len(blocks)]))
            parts.append(blocks[len(parts)].standard_exponential((rows, max(width, _FIRST))))
            width += parts[-1].shape[1]
        return np.concatenate(parts, axis=1)[:, :columns]

    return next_rows


@dataclass(frozen=True)
class Ordered:
    """heights: H_0 to H_N, (rows, N + 1); sums: of the first numbers, (rows, N + 1); singles: heights, rounded."""

    heights: Floats
    sums: Floats
    singles: Singles

    @classmethod
    def of(cls, numbers: Floats) -> Ordered:
        """From exponential numbers (rows, N)."""
        rows, size = numbers.shape
        heights, sums = np.zeros((rows, size + 1)), np.zeros((rows, size + 1))
        np.cumsum(numbers / np.arange(1, size + 1), axis=1, out=heights[:, 1:])
        np.cumsum(numbers, axis=1, out=sums[:, 1:])
        return cls(heights, sums, heights.astype(np.float32))

    def rows(self, span: slice) -> Ordered:
        """Some of the rows, as views."""
        return Ordered(self.heights[span], self.sums[span], self.singles[span])

    def levels(self, n: int) -> Floats:
        """(rows, n): n ordered uniform numbers, the smallest first."""
        return np.exp(self.heights[:, :n] - self.heights[:, n : n + 1])


@dataclass(frozen=True)
class Cells:
    """Cells 1 to n of equal width, and in which of them n ordered uniform numbers lie; a replicate of n values takes
    each from a cell.

    cell, ranks: (n, rows), the smallest number first: its cell, and how many numbers lie there or before.
    counts: (n + 1, rows), how many lie in cells up to each.
    """

    cell: Indices
    ranks: Singles
    counts: Singles

    @classmethod
    def of(cls, ordered: Ordered, n: int) -> Cells:
        """Cells of samples of n values."""
        rows = len(ordered.heights)
        cell = np.ceil(n * ordered.levels(n)).astype(np.intp)
        each = (n + 1) * np.arange(rows)[:, None]
        held = np.bincount((cell + each).ravel(), minlength=rows * (n + 1)).reshape(rows, n + 1)
        counts = held.cumsum(axis=1).astype(np.float32)
        ranks = counts.take(cell + each)
        return cls(np.ascontiguousarray(cell.T), np.ascontiguousarray(ranks.T), np.ascontiguousarray(counts.T))

    @property
    def entries(self) -> int:
        """Of all tables, in units of four bytes."""
        return 4 * self.counts.size

    def rows(self, span: slice) -> Cells:
        """Some of the rows, as views."""
        if span.stop - span.start >= self.cell.shape[1]:
            return self
        return Cells(self.cell[:, span], self.ranks[:, span], self.counts[:, span])

    def ranks_among(self, last: Indices, first: int) -> Singles:
        """(n - first, rows): how many numbers lie in the cells up to ``last`` (n + 1,) of its cell, for the numbers
        from ``first`` on."""
        rows = self.cell.shape[1]
        counts = np.ascontiguousarray(self.counts)
        return np.asarray(counts.take(last.take(self.cell[first:]) * rows + np.arange(rows)))
