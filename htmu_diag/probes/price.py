"""What the largest matrix will cost, said before it is paid: one sentence at the first snapshot, where it is much."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import torch

from htmu_diag.matrices import Matrix
from htmu_diag.solvers import exact_spectrum
from htmu_diag.spectrum import Kind, Source

__all__ = ["price_sentence", "seconds_of"]

MUCH = 1.0  # seconds of one matrix
_SIDES = (192, 384)  # of the trial, about 5 ms
_LEAST = 1e9  # multiplications; fewer take less than a second on any core, and nothing is tried
_TRIES = 3


def price_sentence(matrices: Iterable[Matrix], seconds: Callable[[Matrix], float] | None = None) -> str:
    """The sentence, "" where the largest matrix takes less than about a second here."""
    largest = max(matrices, key=lambda matrix: matrix.cost if matrix.factors is None else 0.0, default=None)
    if largest is None or largest.factors is not None or largest.cost < _LEAST:
        return ""
    took = (seconds or seconds_of)(largest)
    if took < MUCH:
        return ""
    rows, columns = largest.shape
    return (
        f"weights: the largest matrix, {largest.name} ({rows} x {columns}), takes about {took:.2g} s at each snapshot, "
        "beside the training; measure less often (every=...), leave it out (settings={'weights': {'exclude': [...]}}), "
        "or pass budget=0.05"
    )


def seconds_of(matrix: Matrix) -> float:
    """Of its decomposition on the host, from a small one timed now and the count of multiplications."""
    places = torch.arange(_SIDES[0] * _SIDES[1], dtype=torch.float32, device="cpu")
    small = torch.sin(places * places).reshape(_SIDES)
    trial = Matrix("trial", _SIDES, "", "", lambda: small)
    source = Source(Kind.WEIGHTS, "trial", _SIDES)
    return matrix.cost / trial.cost * min(_timed(small, source) for _ in range(_TRIES))


def _timed(small: torch.Tensor, source: Source) -> float:
    start = time.perf_counter()
    exact_spectrum(small, source, routine="gram", threads=None)
    return time.perf_counter() - start
