"""Orthonormal vectors in half of their bytes, where memory does not hold them as they are.

Rounding to half of the digits turns a vector of length 1 by some 2e-4 (float16 for float32), at random: what is
projected out along it leaves that share of an overlap which is small already, and a Ritz vector made of such vectors is
off by as much, its Rayleigh quotient, and the eigenvalues beside it, by the square: the rounding of the whole type. So
T, the Gauss rule and the outliers keep their accuracy. With bfloat16 the square would be sixty times larger.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from htmu_diag.solvers.orthogonality import empty_rows
from htmu_diag.spectrum import Floats

__all__ = ["HALF", "Halved", "combined"]

HALF = {torch.float64: torch.float32, torch.float32: torch.float16}
_COLUMNS = 2**14, 2**16  # widened at once, on the host (4 MB of 56 rows) and on a device
_LARGEST = 2.0**15  # an entry of a unit vector, scaled, is within the range of float16


@dataclass(frozen=True)
class Halved:
    """Rows (m, N) of half the type of ``dtype``, times ``scale``. wide: room to widen some columns of all rows.

    Entries of a vector of length 1 are N^(-1/2) in the mean: from 2^28 on too small for all digits of float16.
    """

    rows: torch.Tensor
    scale: float
    dtype: torch.dtype
    wide: torch.Tensor

    @classmethod
    def like(cls, vector: torch.Tensor, count: int) -> Halved:
        """Room for ``count`` vectors like this one (N,), of float32 or float64."""
        size, device = vector.numel(), vector.device
        rows = empty_rows(count, size, HALF[vector.dtype], device)
        wide = empty_rows(count, min(size, _columns(device)), vector.dtype, device)
        return cls(rows, min(size**0.5, _LARGEST), vector.dtype, wide.view(-1))

    def __getitem__(self, part: slice) -> Halved:
        return Halved(self.rows[part], self.scale, self.dtype, self.wide)

    @property
    def turn(self) -> float:
        """The angle by which rounding turns a vector of normal entries: the mean over an octave, and over octaves."""
        return 0.213 * float(torch.finfo(self.rows.dtype).eps)

    def put(self, place: int, vector: torch.Tensor) -> None:
        """Round a vector (N,) of length 1 into its row."""
        for row, entries in zip(_split(self.rows[place]), _split(vector), strict=True):
            row.copy_(entries * self.scale)

    def take_out(self, vector: torch.Tensor) -> None:
        """Remove from ``vector`` (N,), in place, its components along the rows."""
        found = vector.new_zeros(len(self.rows))
        for rows, entries in self.beside(vector):
            found.addmv_(rows, entries)
        found /= self.scale**2
        for rows, entries in self.beside(vector):
            entries.addmv_(rows.T, found, alpha=-1)

    def beside(self, vectors: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Columns of the rows, widened until the next are asked for, and the same of ``vectors`` (..., N)."""
        for rows, entries in zip(_split(self.rows), _split(vectors), strict=True):
            yield self.wide[: rows.numel()].view(rows.shape).copy_(rows), entries


def combined(rows: torch.Tensor | Halved, columns: Floats) -> torch.Tensor:
    """Sums of the rows (m, N), (k, N) in their whole type, from coefficients (m, k)."""
    kept = rows.rows if isinstance(rows, Halved) else rows
    coefficients = torch.as_tensor(columns.T.copy(), dtype=rows.dtype, device=kept.device)
    sums = empty_rows(len(coefficients), kept.shape[1], rows.dtype, kept.device)
    if not isinstance(rows, Halved):
        return torch.mm(coefficients, rows, out=sums)
    coefficients /= rows.scale
    for part, made in rows.beside(sums):
        torch.mm(coefficients, part, out=made)
    return sums


def _split(vectors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.split(vectors, _columns(vectors.device), dim=-1)


def _columns(device: torch.device) -> int:
    return _COLUMNS[device.type != "cpu"]
