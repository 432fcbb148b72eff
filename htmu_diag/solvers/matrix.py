"""From a matrix of a model to its spectrum, by the route that needs the least: factors where it has them."""

from __future__ import annotations

import torch

from htmu_diag.matrices import Matrix
from htmu_diag.solvers.exact import UNIT, Routine, exact_spectrum, product_spectrum
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["matrix_spectrum"]


def matrix_spectrum(
    matrix: Matrix,
    *,
    step: int | None = None,
    routine: Routine = "auto",
    vectors: bool = False,
    dtype: torch.dtype = torch.float64,
    threads: int | None = 1,
    device: str | torch.device | None = None,
    values_on_host: bool = False,
) -> Spectrum:
    """Read a matrix, in the precision it is stored in, and decompose it; options and errors as in `exact_spectrum`.

    A low-rank product is solved from its factors and judged on its rank: r eigenvalues, without vectors. device: where
    it is decomposed; by default where it lies. values_on_host: products there, eigenvalues on the host.
    """
    source = Source(Kind.WEIGHTS, matrix.name, matrix.shape, step, UNIT)
    if matrix.factors is not None:
        where = "cpu" if values_on_host else device
        left, right = (factor.to(where or factor.device) for factor in matrix.low_rank())
        return product_spectrum(left, right, source, threads=threads)
    stored = matrix.stored()
    stored = stored.to(device or stored.device)
    return exact_spectrum(
        stored,
        source,
        routine=routine,
        vectors=vectors,
        dtype=dtype,
        threads=threads,
        values_on_host=values_on_host,
    )
