"""From a matrix of a model to its spectrum, by the route that needs the least: factors where it has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from htmu_diag.extras import Late
from htmu_diag.matrices.matrix import Matrix
from htmu_diag.model.torch_values import as_tensor
from htmu_diag.solvers.host import UNIT, Routine, host_spectrum, is_real
from htmu_diag.spectrum import Kind, Source, Spectrum

if TYPE_CHECKING:
    import torch
else:
    torch = Late("torch")

__all__ = ["matrix_spectrum"]


def matrix_spectrum(
    matrix: Matrix,
    *,
    step: int | None = None,
    routine: Routine = "auto",
    vectors: bool = False,
    dtype: torch.dtype | None = None,
    threads: int | None = 1,
    device: str | torch.device | None = None,
    values_on_host: bool = False,
) -> Spectrum:
    """Read a matrix, in the precision it is stored in, and decompose it; options and errors as in `exact_spectrum`.

    A low-rank product is solved from its factors and judged on its rank: r eigenvalues, without vectors. device: where
    it is decomposed; by default where it lies. values_on_host: products there, eigenvalues on the host. dtype: None is
    float64. torch is imported unless the matrix is an array of real numbers (see `host`) and nothing else is asked for.
    """
    source = Source(Kind.WEIGHTS, matrix.name, matrix.shape, step, UNIT)
    if matrix.factors is not None:
        from htmu_diag.solvers.exact import product_spectrum

        where = "cpu" if values_on_host else device
        left, right = (factor.to(where or factor.device) for factor in matrix.low_rank())
        return product_spectrum(left, right, source, threads=threads)
    values = matrix.values()
    if isinstance(values, np.ndarray) and is_real(values) and not vectors and dtype is None and device is None:
        return host_spectrum(values, source, routine=routine, threads=threads)
    import torch

    from htmu_diag.solvers.exact import exact_spectrum

    stored = as_tensor(values)
    return exact_spectrum(
        stored.to(device or stored.device),
        source,
        routine=routine,
        vectors=vectors,
        dtype=dtype or torch.float64,
        threads=threads,
        values_on_host=values_on_host,
    )
