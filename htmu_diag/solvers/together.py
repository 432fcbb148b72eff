"""Spectra of many matrices of one shape: a few calls for all of them, where a call costs more than its arithmetic."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from htmu_diag.arguments import checked, optional, several, whole
from htmu_diag.errors import InputError
from htmu_diag.model.arguments import DTYPE
from htmu_diag.solvers.exact import (
    CHEAP_SIDE,
    arithmetic,
    exact_spectrum,
    gram_routine,
    of_values,
    refuse_non_finite,
    unresolved,
    whole_matrix,
)
from htmu_diag.solvers.gram import eigenvalues, gram
from htmu_diag.solvers.stacks import stackable, stacked_spectra
from htmu_diag.solvers.threads import blas_threads
from htmu_diag.spectrum import Source, Spectrum

__all__ = ["exact_spectra"]


@checked(
    matrices=several("a list of tensors", "shape", "detach"),
    sources=several("a list of sources", "kind", "shape"),
    dtype=DTYPE,
    threads=optional(whole(1, 4096)),
)
def exact_spectra(
    matrices: Sequence[torch.Tensor],
    sources: Sequence[Source],
    *,
    dtype: torch.dtype = torch.float64,
    threads: int | None = 1,
) -> list[Spectrum]:
    """Spectra of matrices of one shape by one batched eigenvalue call, each equal to `exact_spectrum`.

    To the last bit where all are `stackable` and products are taken in float64, else to rounding. Worth it for many
    small matrices (experts, heads), where a call costs more than its arithmetic.
    """
    if not matrices or len(matrices) != len(sources):
        raise InputError(f"{len(matrices)} matrices and {len(sources)} sources; pass one source for each, at least one")
    matrices = [whole_matrix(matrix, source) for matrix, source in zip(matrices, sources, strict=True)]
    if len({matrix.shape for matrix in matrices}) > 1:
        raise InputError("exact_spectra takes matrices of one shape; group them first")
    if dtype == torch.float64 and all(map(stackable, matrices)) and len({matrix.dtype for matrix in matrices}) == 1:
        return stacked_spectra(matrices, sources, threads=threads)
    kinds = [arithmetic(matrix, dtype) for matrix in matrices]
    common = next((kind for kind in kinds if kind.is_complex), kinds[0])  # a real Gram matrix is a complex one too
    with torch.no_grad(), blas_threads(threads if matrices[0].device.type == "cpu" else None):
        products = [gram(matrix, kind).to(common) for matrix, kind in zip(matrices, kinds, strict=True)]
        for product, matrix, source in zip(products, matrices, sources, strict=True):
            refuse_non_finite(product.diagonal(), matrix, source)
        values = eigenvalues(torch.stack(products))
    return [
        exact_spectrum(matrix, source, dtype=dtype, threads=threads)
        if len(own) <= CHEAP_SIDE and unresolved(own, kind)
        else of_values(own, matrix, source, gram_routine(own, kind, "eigvalsh"), {})
        for own, matrix, source, kind in zip(values, matrices, sources, kinds, strict=True)
    ]
