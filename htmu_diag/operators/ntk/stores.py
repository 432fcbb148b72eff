"""What is held between the passes through the model and the contraction, for one step of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from htmu_diag.operators.ntk.contract import BLOCK, add_pairs, add_rows
from htmu_diag.operators.ntk.pieces import Factors, Piece, Rows, outputs_of, write_rows
from htmu_diag.operators.ntk.plan import Step

__all__ = ["Store", "open_store"]


CACHE = 16_000_000  # bytes; four times more or less is as fast on a CPU


class Store(Protocol):
    """Filled with samples start to stop, chunk by chunk, then added to the kernel once."""

    def add_to(self, kernel: Tensor, *, trace: bool) -> None: ...


class PieceStore(Store, Protocol):
    """A store of pieces."""

    def put(self, start: int, stop: int, pieces: Sequence[Piece]) -> None: ...


def open_store(step: Step, n: int, room: int) -> PieceStore:
    """An empty store for a step of rows or pairs; ``room`` bytes may be used by its contraction."""
    return PairStore(step, n, room) if step.strategy == "pairs" else RowStore(step, n)


class RowStore:
    """A slice of the Jacobian itself, (n, C, stop - start)."""

    def __init__(self, step: Step, n: int) -> None:
        self.step, self.n = step, n
        self.values: Tensor | None = None

    def put(self, start: int, stop: int, pieces: Sequence[Piece]) -> None:
        if self.values is None:
            like = pieces[0].values if isinstance(pieces[0], Rows) else pieces[0].right
            shape = (self.n, outputs_of(pieces[0]), self.step.stop - self.step.start)
            self.values = like.new_empty(shape, dtype=working(like.dtype))
        write_rows(pieces, self.step.start, self.step.stop, self.values[start:stop])

    def add_to(self, kernel: Tensor, *, trace: bool) -> None:
        if self.values is not None:
            add_rows(kernel, self.values, trace=trace)


class PairStore:
    """The two sides of the factors, (n, G, T, q) and (n, C, G, T, r). A bias is one more input that is always 1."""

    def __init__(self, step: Step, n: int, room: int) -> None:
        self.n, self.room, self.bias = n, room, step.bias
        self.shared: Tensor | None = None
        self.varying: Tensor | None = None

    def put(self, start: int, stop: int, pieces: Sequence[Piece]) -> None:
        sides = [_sides(piece) for piece in pieces if isinstance(piece, Factors)]
        shared = _joined([side for side, _ in sides], 1 if sides[0][0].ndim == 2 else 2)
        varying = _joined([side for _, side in sides], 3)
        if self.shared is None or self.varying is None:
            kind = working(shared.dtype) if shared.is_floating_point() else shared.dtype
            width = shared.shape[-1] + self.bias
            self.shared = shared.new_ones(self.n, *shared.shape[1:-1], width, dtype=kind)
            self.varying = varying.new_empty(self.n, *varying.shape[1:], dtype=working(varying.dtype))
        self.shared[start:stop, ..., : shared.shape[-1]] = shared
        self.varying[start:stop] = varying

    def add_to(self, kernel: Tensor, *, trace: bool) -> None:
        if self.shared is not None and self.varying is not None:
            block = _block(self.varying, trace, self.room)
            add_pairs(kernel, self.shared, self.varying, trace=trace, block=block)


def _joined(sides: Sequence[Tensor], axis: int) -> Tensor:
    return sides[0] if len(sides) == 1 else torch.cat(list(sides), axis)


def working(dtype: torch.dtype) -> torch.dtype:
    """float64 stays, everything else is contracted in float32."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def _sides(piece: Factors) -> tuple[Tensor, Tensor]:
    """(shared, varying) of a piece."""
    if piece.left_varies:
        return piece.right[:, 0], piece.left
    return (piece.left if piece.size else piece.left[:, 0]), piece.right


def _block(varying: Tensor, trace: bool, room: int) -> int:
    """Samples of a block: temporaries in the cache and within ``room`` bytes, and small enough to use the symmetry."""
    n, outputs, _, positions, size = varying.shape
    rows = positions * (1 if trace else outputs)
    pairs = 2 * positions**2
    if not trace:
        pairs += 2 * outputs**2 if positions == 1 else 2 * outputs * positions * size
    fitting = int((min(room, CACHE) / (pairs * varying.element_size())) ** 0.5)
    return max(1, min(n, fitting, max(BLOCK // rows, n // 16)))
