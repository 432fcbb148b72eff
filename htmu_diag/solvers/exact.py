"""All eigenvalues of a weight matrix, by the cheapest routine that resolves them.

For W (n, m) the values are the eigenvalues of W W^T / max(n, m), min(n, m) of them: the smaller of the two Gram
matrices over the larger side, so that i.i.d. entries of variance s give a Marchenko-Pastur law of mean s. The larger
Gram matrix is never formed, and the smaller one is summed over blocks of W: half precision is widened block by block.

Policy (``routine="auto"``): the eigenvalues of the Gram matrix in float64. Forming it squares the condition number: an
eigenvalue is known to about eps * N * lambda_max (Golub & Van Loan, section 8.6), 1e-6 of the smallest one of a 2048 x
2048 noise matrix. Where some eigenvalues fall below that and the smaller side is at most 1024, they are computed again
as squares of singular values (``svdvals``), which are known to eps * sigma_max; for larger matrices the result says how
many are unresolved. What ran is written in ``Spectrum.estimator.routine``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from htmu_diag.arguments import FLAG, checked, one_of, optional, whole
from htmu_diag.errors import InputError
from htmu_diag.model.arguments import DTYPE, SOURCE, TENSOR
from htmu_diag.model.torch_values import array_of
from htmu_diag.solvers.entropy import entropy_deficit
from htmu_diag.solvers.gram import eigenvalues, gram, products_are_full
from htmu_diag.solvers.host import (
    CHEAP_SIDE,
    FAILURES,
    UNIT,
    Routine,
    Wide,
    host_spectrum,
    is_real,
    refuse_bad,
    require_matrix,
)
from htmu_diag.solvers.rows_columns import zero_and_copied
from htmu_diag.solvers.singular import core, singular_values
from htmu_diag.solvers.threads import blas_threads
from htmu_diag.spectrum import Floats, Source, Spectrum

__all__ = [
    "CHEAP_SIDE",
    "FAILURES",
    "UNIT",
    "Routine",
    "arithmetic",
    "exact_spectrum",
    "gram_routine",
    "of_values",
    "on_rank",
    "product_spectrum",
    "refuse_non_finite",
    "type_name",
    "unresolved",
    "whole_matrix",
]

_HOSTS: dict[torch.dtype, Wide] = {torch.float32: np.float32, torch.float64: np.float64}  # what numpy computes in


@checked(
    matrix=TENSOR,
    source=SOURCE,
    routine=one_of("auto", "gram", "svdvals"),
    vectors=FLAG,
    dtype=DTYPE,
    threads=optional(whole(1, 4096)),
    values_on_host=FLAG,
)
def exact_spectrum(
    matrix: torch.Tensor,
    source: Source,
    *,
    routine: Routine = "auto",
    vectors: bool = False,
    dtype: torch.dtype = torch.float64,
    threads: int | None = 1,
    values_on_host: bool = False,
) -> Spectrum:
    """The spectrum of a matrix (rows, columns): min(shape) eigenvalues of its smaller Gram matrix over its larger side.

    Rows and columns that are zero, or copies of others, are counted in its scalars (see `rows_columns`).
    routine: "gram", "svdvals", or "auto" (the policy above); what ran is in ``Spectrum.estimator.routine``.
    vectors: also the eigenvector entropy, as the scalar ``entropy_deficit`` (see `entropy`).
    dtype: of the products of the Gram matrix, whose blocks are summed in float64 and whose eigenvalues are taken in
        float64; float32 is faster on a GPU and moves exponents by up to 1e-4.
    threads: BLAS threads on a CPU, restored afterwards; None leaves them as they are. One is the default since a
        training loop uses the other cores, and since the result then does not depend on the machine's load.
    values_on_host: a device's matrix is multiplied there and its eigenvalues taken on the host: products are what a
        device is good at, while its eigenvalue solver holds up everything else that runs there.

    Raises MeasurementError for NaN or infinite entries, InputError for a tensor that is not a non-empty matrix.
    """
    matrix = whole_matrix(matrix, source)
    dtype = arithmetic(matrix, dtype)
    array = None if vectors or dtype not in _HOSTS else array_of(matrix)
    if array is not None and is_real(array):
        return host_spectrum(array, source, routine=routine, dtype=_HOSTS[dtype], threads=threads)
    with torch.no_grad(), blas_threads(threads if matrix.device.type == "cpu" else None):
        if routine == "svdvals":
            return _by_svdvals(matrix, source, dtype, vectors, values_on_host)
        product = gram(matrix, dtype)
        product = product.cpu() if values_on_host else product
        refuse_non_finite(product.diagonal(), matrix, source)
        if vectors:
            values, basis = torch.linalg.eigh(product)
            scalars = _entropy(basis[:, unresolved(values, dtype) :])
        else:
            values, scalars = eigenvalues(product), {}
        if routine == "auto" and not vectors and len(values) <= CHEAP_SIDE and unresolved(values, dtype):
            return _by_svdvals(matrix, source, dtype, False, values_on_host)
        ran = gram_routine(values, dtype, "eigh" if vectors else "eigvalsh")
        return of_values(values, matrix, source, ran, scalars)


@checked(left=TENSOR, right=TENSOR, source=SOURCE, threads=optional(whole(1, 4096)))
def product_spectrum(left: torch.Tensor, right: torch.Tensor, source: Source, *, threads: int | None = 1) -> Spectrum:
    """The spectrum of left (n, r) @ right (r, m) without forming it: QR of both factors, singular values of r x r.

    With left = Q R and right^T = P S the singular values are those of R S^T. The product is judged on its own rank: it
    is Q times the r x m matrix R right (of the other side, where that is larger), so its r eigenvalues are all that it
    has, and ``source.shape`` says r in place of the smaller side. Zeros would say of every adapter that it collapsed.
    """
    left, right = whole_matrix(left, source).double(), whole_matrix(right, source).double()
    if left.shape[1] != right.shape[0] or (left.shape[0], right.shape[1]) != tuple(source.shape):
        shapes = f"{tuple(left.shape)} and {tuple(right.shape)}"
        raise InputError(f"{source.label()}: factors {shapes} do not make a matrix of {tuple(source.shape)}")
    for factor in (left, right):
        refuse_non_finite(factor.sum(), factor, source)
    with torch.no_grad(), blas_threads(threads if left.device.type == "cpu" else None):
        upper = torch.linalg.qr(left, mode="r").R
        other = torch.linalg.qr(right.mT, mode="r").R
        squares = torch.linalg.svdvals(upper @ other.mT) ** 2 / max(source.shape)
    judged = on_rank(source, min(left.shape[1], *source.shape))
    values = _numpy(squares)[: min(judged.shape)]
    return Spectrum.exact(values, judged, routine=f"qr_svdvals rank {min(right.shape)} float64")


def on_rank(source: Source, rank: int) -> Source:
    """The source of a product of that rank: its larger side by the rank."""
    rows, columns = source.shape
    return replace(source, shape=(rows, rank) if rows > columns else (rank, columns))


def _by_svdvals(matrix: torch.Tensor, source: Source, dtype: torch.dtype, vectors: bool, on_host: bool) -> Spectrum:
    reduced = core(matrix, dtype)  # (k, m), m the smaller side
    reduced = reduced.cpu() if on_host else reduced
    refuse_non_finite(reduced.sum(), matrix, source)
    if vectors:
        _, singular, basis = torch.linalg.svd(reduced, full_matrices=False)
        known = int((singular > torch.finfo(dtype).eps * max(reduced.shape) * singular[0]).sum())
        scalars = _entropy(basis.mH[:, :known])
    else:
        singular, scalars = singular_values(reduced), {}
    routine = f"svd{'' if vectors else 'vals'} {type_name(dtype)}"
    return of_values(singular**2 / max(matrix.shape), matrix, source, routine, scalars)


def of_values(
    values: torch.Tensor, matrix: torch.Tensor, source: Source, routine: str, scalars: dict[str, float]
) -> Spectrum:
    """Eigenvalues of a Gram matrix are not negative: what lies below zero is rounding and becomes zero."""
    scalars = scalars | zero_and_copied(matrix)
    return Spectrum.exact(np.maximum(_numpy(values), 0.0), source, routine=routine, scalars=scalars)


def _numpy(values: torch.Tensor) -> Floats:
    array: Floats = values.double().cpu().numpy()
    return array


def unresolved(values: torch.Tensor, dtype: torch.dtype) -> int:
    """How many ascending eigenvalues are below what the Gram route knows: eps N lambda_max."""
    return int((values <= torch.finfo(dtype).eps * len(values) * values[-1]).sum())


def gram_routine(values: torch.Tensor, dtype: torch.dtype, solver: str) -> str:
    lost = unresolved(values, dtype)
    return f"gram_{solver} {type_name(dtype)}" + (f", {lost} unresolved" if lost else "")


def _entropy(resolved: torch.Tensor) -> dict[str, float]:
    """Of the vectors whose values are known: a basis of the null space is the solver's choice, not the matrix's."""
    return {"entropy_deficit": entropy_deficit(resolved)} if resolved.shape[1] else {}


def arithmetic(matrix: torch.Tensor, dtype: torch.dtype) -> torch.dtype:
    """The dtype asked for, complex for a complex matrix, float32 on a device without float64, and not TF32."""
    wanted = torch.float32 if matrix.device.type == "mps" else dtype
    if matrix.device.type == "cuda" and wanted == torch.float32 and not products_are_full():
        wanted = torch.float64  # the switch is the training's: it stays as it is
    return wanted.to_complex() if matrix.dtype.is_complex else wanted


def type_name(dtype: torch.dtype) -> str:
    """Its name: float32 of torch.float32."""
    return str(dtype).removeprefix("torch.")


def whole_matrix(matrix: torch.Tensor, source: Source) -> torch.Tensor:
    require_matrix(matrix.shape, source)
    return matrix.detach()


def refuse_non_finite(summary: torch.Tensor, matrix: torch.Tensor, source: Source) -> None:
    """Counts bad entries only where a cheap summary is not finite: a sum, or the diagonal of the Gram matrix."""
    if not bool(torch.isfinite(summary).all()):
        widened = matrix.float() if matrix.dtype.itemsize == 1 else matrix  # eighth precision knows no isfinite
        refuse_bad(int((~torch.isfinite(widened)).sum()), matrix.numel(), source)
