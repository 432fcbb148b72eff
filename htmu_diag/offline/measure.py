"""From an inventory to layers: each matrix read, decomposed and diagnosed, one in memory at a time.

Runs of small matrices of one shape (heads, experts) are decomposed together: at a side of 64 that saves a quarter to a
third of the time, above 128 nothing. A matrix that cannot be had is a layer without a diagnosis; the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from htmu_diag.analysis import Options, diagnose
from htmu_diag.errors import HTMUError, InputError
from htmu_diag.matrices import Inventory, Matrix
from htmu_diag.report.analysis import Layer
from htmu_diag.safe_text import one_line
from htmu_diag.solvers import UNIT, exact_spectra, matrix_spectrum
from htmu_diag.solvers.threads import blas_threads
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["Choices", "groups_of", "layers_of", "measured"]

_SMALL_SIDE = 128
_TOGETHER = 4 * 1024 * 1024  # entries held at once for one batch: 16 MB in float32
_MOST_TOGETHER = 32  # matrices: processes that share them take whole batches
# RuntimeError: what torch raises for all that goes wrong, an allocation that is refused included
_FAILURES = (HTMUError, np.linalg.LinAlgError, MemoryError, RuntimeError, ArithmeticError)
_MOST_THREADS = 1024


@dataclass(frozen=True)
class Choices:
    """How every matrix is measured; see `analyze`."""

    options: Options = field(default_factory=Options)
    vectors: bool = False
    step: int | None = None
    threads: int | None = 1
    device: str | torch.device | None = None

    def check(self) -> None:
        """Raises InputError for a device that is not here, or no thread at all."""
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads is {self.threads}; use at least 1, or None for the process's own number")
        if self.threads is not None and self.threads > _MOST_THREADS:
            raise InputError(f"threads is {self.threads}; use at most {_MOST_THREADS}")
        if self.device is None:
            return
        try:
            kind = torch.empty(0, device=self.device).device.type
        except (RuntimeError, AssertionError) as error:  # builds without CUDA assert
            first = str(error).splitlines()[0].split(". ")[0]
            raise InputError(f"device {self.device} cannot be used here ({first}); leave it out") from error
        if kind == "meta":
            raise InputError("device meta has shapes and no values, so nothing can be decomposed there; leave it out")


def measured(
    inventory: Inventory, mine: Collection[int], choices: Choices, *, read_all: bool = False
) -> Iterator[tuple[int, Layer]]:
    """(place in the inventory, layer) for each place in ``mine``, in order.

    read_all: also read the others and drop them: reading a sharded parameter is done by all ranks together.
    """
    for group in groups_of(inventory, set(mine), batched=not (choices.vectors or read_all)):
        matrices = [inventory.matrices[place] for place in group]
        if group[0] in mine:
            yield from zip(group, layers_of(matrices, choices), strict=True)
        elif read_all:
            matrices[0].read()


def groups_of(inventory: Inventory, mine: Collection[int], *, batched: bool) -> list[list[int]]:
    """Places that are measured together: neighbours of one small shape, and of one owner."""
    return list(_groups(inventory, mine, batched))


def _groups(inventory: Inventory, mine: Collection[int], batched: bool) -> Iterator[list[int]]:
    group: list[int] = []
    for place, matrix in enumerate(inventory):
        if group and not (batched and place in mine and _joins(matrix, [inventory.matrices[i] for i in group])):
            yield group
            group = []
        group.append(place)
        if place not in mine:
            yield group
            group = []
    if group:
        yield group


def _joins(matrix: Matrix, others: Sequence[Matrix]) -> bool:
    count = len(others) + 1
    entries = count * matrix.shape[0] * matrix.shape[1]
    alike = matrix.shape == others[0].shape and matrix.factors is None and others[0].factors is None
    return alike and min(matrix.shape) <= _SMALL_SIDE and entries <= _TOGETHER and count <= _MOST_TOGETHER


def layers_of(matrices: Sequence[Matrix], choices: Choices) -> list[Layer]:
    """Each matrix of one group with what was found."""
    if len(matrices) > 1:
        try:
            tensors = [_moved(matrix.read(), choices) for matrix in matrices]
            spectra = exact_spectra(tensors, [_source(m, choices) for m in matrices], threads=choices.threads)
            return [_diagnosed(m, lambda s=s: s, choices) for m, s in zip(matrices, spectra, strict=True)]  # type: ignore[misc]
        except _FAILURES:
            pass  # one of them is unusable: one by one, it fails alone
    return [_diagnosed(matrix, lambda matrix=matrix: _spectrum(matrix, choices), choices) for matrix in matrices]  # type: ignore[misc]


def _diagnosed(matrix: Matrix, spectrum: Callable[[], Spectrum], choices: Choices) -> Layer:
    layer = Layer(matrix.name, matrix.shape, matrix.role, None)
    try:
        measured = spectrum()
        with blas_threads(choices.threads):  # two, on cores that are busy, make the fits three times as dear
            found = diagnose(measured, choices.options)
        return replace(layer, shape=found.source.shape, diagnosis=found)  # a low-rank product is judged on its rank
    except _FAILURES as error:
        return replace(layer, reason=one_line(str(error).partition("\n")[0]) or type(error).__name__)


def _spectrum(matrix: Matrix, choices: Choices) -> Spectrum:
    return matrix_spectrum(
        matrix, step=choices.step, vectors=choices.vectors, threads=choices.threads, device=choices.device
    )


def _source(matrix: Matrix, choices: Choices) -> Source:
    return Source(Kind.WEIGHTS, matrix.name, matrix.shape, choices.step, UNIT)


def _moved(tensor: torch.Tensor, choices: Choices) -> torch.Tensor:
    return tensor if choices.device is None else tensor.to(choices.device)
