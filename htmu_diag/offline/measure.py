"""From an inventory to layers: each matrix read, decomposed and diagnosed, one in memory at a time.

Neighbours are measured in groups: their spectra are diagnosed together, which makes the fits of small ones some times
cheaper. Runs of small matrices of one shape (heads, experts) are decomposed together, too: at a side of 64 that saves a
quarter to a third of the time, above 128 nothing. A matrix that cannot be had is a layer without a diagnosis; the
others go on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from htmu_diag.analysis import Diagnosis, Options, diagnose_each
from htmu_diag.errors import InputError
from htmu_diag.matrices import Inventory, Matrix
from htmu_diag.model.torch_values import as_tensor
from htmu_diag.report.analysis import Layer
from htmu_diag.safe_text import one_line
from htmu_diag.solvers import FAILURES, UNIT, matrix_spectrum
from htmu_diag.solvers.host import is_real
from htmu_diag.solvers.stacks import host_spectra
from htmu_diag.solvers.threads import blas_threads
from htmu_diag.spectrum import Kind, Source, Spectrum

if TYPE_CHECKING:
    import torch

__all__ = ["Choices", "Measuring", "groups_of", "layers_of", "measured"]

Measuring = Callable[[Sequence[int]], Iterator[tuple[int, Layer]]]

_SMALL_SIDE = 128
_TOGETHER = 4 * 1024 * 1024  # entries of one run, or group: of a run 16 MB in float32 are held at once
_MOST_ALIKE, _MOST_TOGETHER = 32, 16  # matrices: processes that share them take whole groups
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
        import torch

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
    alone = choices.vectors or read_all
    for group in groups_of(inventory, set(mine), batched=not alone, most=1 if alone else _MOST_TOGETHER):
        matrices = [inventory.matrices[place] for place in group]
        if group[0] in mine:
            yield from zip(group, layers_of(matrices, choices), strict=True)
        elif read_all:
            matrices[0].read()


def groups_of(
    inventory: Inventory, mine: Collection[int], *, batched: bool, most: int = _MOST_TOGETHER
) -> list[list[int]]:
    """Places that are diagnosed together: runs that follow one another, of ``most`` matrices, none of them large."""
    groups: list[list[int]] = []
    sizes = [matrix.shape[0] * matrix.shape[1] for matrix in inventory]
    for run in runs_of(inventory, mine, batched=batched):
        last = groups[-1] if groups else []
        follows = bool(last) and last[-1] in mine and run[0] in mine and len(last) + len(run) <= most
        if follows and sum(sizes[place] for place in (*last, *run)) <= _TOGETHER:
            last += run
        else:
            groups.append(list(run))
    return groups


def runs_of(inventory: Inventory, mine: Collection[int], *, batched: bool) -> list[list[int]]:
    """Places that are decomposed together: neighbours of one small shape, and of one owner."""
    return list(_runs(inventory, mine, batched))


def _runs(inventory: Inventory, mine: Collection[int], batched: bool) -> Iterator[list[int]]:
    run: list[int] = []
    for place, matrix in enumerate(inventory):
        if run and not (batched and place in mine and _joins(matrix, [inventory.matrices[i] for i in run])):
            yield run
            run = []
        run.append(place)
        if place not in mine:
            yield run
            run = []
    if run:
        yield run


def _joins(matrix: Matrix, others: Sequence[Matrix]) -> bool:
    count = len(others) + 1
    entries = count * matrix.shape[0] * matrix.shape[1]
    alike = matrix.shape == others[0].shape and matrix.factors is None and others[0].factors is None
    return alike and min(matrix.shape) <= _SMALL_SIDE and entries <= _TOGETHER and count <= _MOST_ALIKE


def layers_of(matrices: Sequence[Matrix], choices: Choices) -> list[Layer]:
    """Each matrix of one group with what was found."""
    alike = Inventory(tuple(matrices), ())
    runs = runs_of(alike, range(len(matrices)), batched=not choices.vectors)
    found = [one for run in runs for one in _spectra([matrices[place] for place in run], choices)]
    spectra = [one for one in found if isinstance(one, Spectrum)]
    with blas_threads(choices.threads):  # two, on cores that are busy, make the fits three times as dear
        diagnosed = iter(diagnose_each(spectra, choices.options))
    outcomes = [next(diagnosed) if isinstance(one, Spectrum) else one for one in found]
    return [_layer(matrix, outcome) for matrix, outcome in zip(matrices, outcomes, strict=True)]


def _spectra(matrices: list[Matrix], choices: Choices) -> Sequence[Spectrum | Exception]:
    """Of each, or why it has none."""
    if len(matrices) > 1:
        with contextlib.suppress(*FAILURES):  # one of them is unusable: one by one, it fails alone
            return _together(matrices, choices)
    return [_spectrum(matrix, choices) for matrix in matrices]


def _together(matrices: Sequence[Matrix], choices: Choices) -> list[Spectrum]:
    values, sources = [matrix.values() for matrix in matrices], [_source(matrix, choices) for matrix in matrices]
    arrays = [own for own in values if isinstance(own, np.ndarray) and is_real(own) and choices.device is None]
    if len(arrays) == len(values):
        return host_spectra(arrays, sources, threads=choices.threads)
    from htmu_diag.solvers.together import exact_spectra  # with torch

    tensors = [tensor.to(choices.device or tensor.device) for tensor in map(as_tensor, values)]
    return exact_spectra(tensors, sources, threads=choices.threads)


def _spectrum(matrix: Matrix, choices: Choices) -> Spectrum | Exception:
    try:
        return matrix_spectrum(
            matrix, step=choices.step, vectors=choices.vectors, threads=choices.threads, device=choices.device
        )
    except FAILURES as error:
        return error


def _layer(matrix: Matrix, found: Diagnosis | Exception) -> Layer:
    if isinstance(found, Diagnosis):  # a low-rank product is judged on its rank
        return Layer(matrix.name, found.source.shape, matrix.role, found)
    if not isinstance(found, FAILURES):
        raise found
    reason = one_line(str(found).partition("\n")[0]) or type(found).__name__
    return Layer(matrix.name, matrix.shape, matrix.role, None, reason)


def _source(matrix: Matrix, choices: Choices) -> Source:
    return Source(Kind.WEIGHTS, matrix.name, matrix.shape, choices.step, UNIT)
