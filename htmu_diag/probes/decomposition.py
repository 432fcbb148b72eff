"""A weight matrix that was copied and is decomposed later, on another thread."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch

from htmu_diag.errors import HTMUError
from htmu_diag.matrices import Matrix
from htmu_diag.probes.copies import Copy
from htmu_diag.probes.placement import Placement
from htmu_diag.probes.starts import Starts
from htmu_diag.solvers import matrix_spectrum
from htmu_diag.solvers.threads import numpy_on_one_thread
from htmu_diag.solvers.vectors import TopVectors, vector_scalars
from htmu_diag.spectrum import Spectrum

__all__ = ["Decomposition", "Failure"]


@dataclass(frozen=True)
class Decomposition:
    """The route of an offline analysis, from copies of the matrix, or of its two factors."""

    matrix: Matrix
    copies: tuple[Copy, ...]
    step: int
    places: Placement
    starts: Starts
    turns: TopVectors | None

    def __call__(self) -> Spectrum:
        with ExitStack() as inside:
            tensors = tuple(inside.enter_context(copy.usable()) for copy in self.copies)
            inside.enter_context(numpy_on_one_thread())
            matrix = replace(self.matrix, load=lambda: tensors[0], factors=_pair(tensors))
            found = self._spectrum(matrix, tensors[0].device)
            return replace(found, scalars={**found.scalars, **self._companions(tensors)})

    def _spectrum(self, matrix: Matrix, device: torch.device) -> Spectrum:
        if device.type != "cuda":
            return matrix_spectrum(matrix, step=self.step, threads=None)
        with self.places.choosing((device, matrix.shape)) as place:
            return matrix_spectrum(matrix, step=self.step, threads=None, values_on_host=place == "host")

    def _companions(self, tensors: tuple[torch.Tensor, ...]) -> dict[str, float]:
        """How far the matrix has come from its start, and its vectors; neither of a product of two factors."""
        if len(tensors) > 1:
            return {}
        found = self.starts.distance(self.matrix.name, tensors[0], self.step)
        return found | ({} if self.turns is None else vector_scalars(tensors[0], self.matrix.name, self.turns))


def _pair(tensors: tuple[torch.Tensor, ...]) -> Callable[[], tuple[torch.Tensor, torch.Tensor]] | None:
    if len(tensors) == 1:
        return None
    left, right = tensors
    return lambda: (left, right)


@dataclass(frozen=True)
class Failure:
    error: HTMUError

    def __call__(self) -> Spectrum:
        raise self.error
