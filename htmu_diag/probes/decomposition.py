"""A weight matrix that was copied and is decomposed later, on another thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import torch

from htmu_diag.errors import HTMUError
from htmu_diag.matrices import Matrix
from htmu_diag.probes.copies import Copy
from htmu_diag.probes.placement import Placement
from htmu_diag.probes.starts import Starts
from htmu_diag.solvers import UNIT, matrix_spectrum
from htmu_diag.solvers.stacks import Decompose, stackable, stacked_spectra
from htmu_diag.solvers.threads import numpy_on_one_thread
from htmu_diag.solvers.vectors import TopVectors, vector_scalars
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["Decomposition", "Equal", "Failure"]

SPEED = 16e9  # multiplications a second, as `Matrix.cost` counts them, of small matrices on one core


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
            more = self._companions(tensors)
            return _with(found, more)

    @property
    def alike(self) -> Equal | None:
        """Which others it may be decomposed with."""
        tensor = self.copies[0].tensor
        alone = len(self.copies) > 1 or self.turns is not None or not stackable(tensor)
        rows, columns = self.matrix.shape
        return None if alone or tensor.shape != (rows, columns) else _equal((rows, columns), tensor.dtype)

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


@dataclass(frozen=True)
class Equal:
    """Those of one shape and one type, on the host: decomposed together, see `htmu_diag.stacked`."""

    shape: tuple[int, int]
    dtype: torch.dtype

    @property
    def seconds(self) -> float:
        small, large = sorted(self.shape)
        return float(small) ** 2 * (large + 4.0 * small) / SPEED

    def spectra(self, computes: Sequence[Callable[[], Spectrum]], decompose: Decompose) -> list[Spectrum]:
        works = [compute for compute in computes if isinstance(compute, Decomposition)]
        tensors = [work.copies[0].tensor for work in works]
        sources = [Source(Kind.WEIGHTS, work.matrix.name, self.shape, work.step, UNIT) for work in works]
        found = stacked_spectra(tensors, sources, threads=None, decompose=decompose)
        first = works[0]  # of one probe and step
        names = [work.matrix.name for work in works]
        distances = first.starts.distances(names, tensors, first.step)
        return [_with(spectrum, more) for spectrum, more in zip(found, distances, strict=True)]


def _with(found: Spectrum, more: dict[str, float]) -> Spectrum:
    """The same measure with more scalars; what it holds was checked when it was made."""
    made = object.__new__(Spectrum)
    vars(made).update(vars(found), scalars=MappingProxyType({**found.scalars, **more}))
    return made


@cache
def _equal(shape: tuple[int, int], dtype: torch.dtype) -> Equal:
    return Equal(shape, dtype)


def _pair(tensors: tuple[torch.Tensor, ...]) -> Callable[[], tuple[torch.Tensor, torch.Tensor]] | None:
    if len(tensors) == 1:
        return None
    left, right = tensors
    return lambda: (left, right)


@dataclass(frozen=True)
class Failure:
    error: HTMUError
    alike = None

    def __call__(self) -> Spectrum:
        raise self.error
