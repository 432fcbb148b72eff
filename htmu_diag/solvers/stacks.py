"""Spectra of many real matrices of one shape in the memory of this machine, by `htmu_diag.stacked`; without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from htmu_diag.model.torch_values import array_of
from htmu_diag.narrow import Array, narrow_name, widened
from htmu_diag.solvers.host import host_spectrum
from htmu_diag.solvers.rows_columns import zero_and_copied
from htmu_diag.solvers.threads import blas_threads
from htmu_diag.spectrum import Floats, Source, Spectrum
from htmu_diag.stacked import MOST, Stacked, decomposed

if TYPE_CHECKING:
    import torch

__all__ = ["Decompose", "host_spectra", "stackable", "stacked_spectra"]

Decompose = Callable[[Sequence[Array]], Stacked]


def stackable(matrix: torch.Tensor | Array) -> bool:
    """Whether numpy takes it as it lies in memory, and is no slower for a stack of them."""
    array = array_of(matrix)
    if array is None or not (array.dtype.kind == "f" or narrow_name(array.dtype)):
        return False
    return array.flags.c_contiguous and 0 < array.size <= MOST


def host_spectra(matrices: Sequence[Array], sources: Sequence[Source], *, threads: int | None = 1) -> list[Spectrum]:
    """Spectra of matrices of one shape, each that of `host_spectrum` to the last bit; raises as that."""
    if all(map(stackable, matrices)) and len({matrix.dtype for matrix in matrices}) == 1:
        return stacked_spectra(matrices, sources, threads=threads)
    return [host_spectrum(matrix, source, threads=threads) for matrix, source in zip(matrices, sources, strict=True)]


def stacked_spectra(
    matrices: Sequence[torch.Tensor] | Sequence[Array],
    sources: Sequence[Source],
    *,
    threads: int | None = 1,
    decompose: Decompose = decomposed,
) -> list[Spectrum]:
    """Spectra of `stackable` matrices of one shape and one type, each that of `exact_spectrum` to the last bit.

    decompose: does what `htmu_diag.stacked.decomposed` does, wherever it does it. Raises as `exact_spectrum`.
    """
    arrays = [array for matrix in matrices if (array := array_of(matrix)) is not None]
    with blas_threads(threads):
        found = decompose([array if array.itemsize >= 4 else widened(array) for array in arrays])
    resolution = np.finfo(np.float64).eps * found.values.shape[1] * found.values[:, -1:]
    alone = ~found.found | (found.values <= resolution).any(axis=1)
    return [
        host_spectrum(array, source, threads=threads)
        if alone[place]
        else _spectrum(found.values[place], array, source, plain=bool(found.plain[place]))
        for place, (array, source) in enumerate(zip(arrays, sources, strict=True))
    ]


def _spectrum(values: Floats, matrix: Array, source: Source, *, plain: bool) -> Spectrum:
    scalars = {} if plain else zero_and_copied(matrix)
    return Spectrum.exact(np.maximum(values, 0.0), source, routine="gram_eigvalsh float64", scalars=scalars)
