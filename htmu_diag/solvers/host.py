"""Exact spectra of real matrices in the memory of this machine: numpy does all of it, and torch need not be there.

The policy is that of `htmu_diag.solvers.exact`, which calls this for tensors on the CPU: a matrix of a file and the
same matrix of a live model have the same spectrum to the last bit. numpy sees that B^T B is symmetric and computes half
of it (``syrk``), and releases the interpreter's lock while it works. Blocks bound the memory: an embedding of
150,000 x 4096 in bfloat16 is widened to float64 some 64 MB at a time.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from htmu_diag.errors import HTMUError, InputError, MeasurementError
from htmu_diag.narrow import Array, narrow_name, widened
from htmu_diag.solvers.rows_columns import zero_and_copied
from htmu_diag.solvers.threads import blas_threads
from htmu_diag.spectrum import Floats, Source, Spectrum

__all__ = [
    "CHEAP_SIDE",
    "FAILURES",
    "UNIT",
    "Routine",
    "Wide",
    "core",
    "gram",
    "host_spectrum",
    "is_real",
    "refuse_bad",
    "require_matrix",
]

# what a decomposition raises; RuntimeError is torch's for all that goes wrong, an allocation that is refused included
FAILURES = (HTMUError, np.linalg.LinAlgError, MemoryError, RuntimeError, ArithmeticError)
UNIT = "eigenvalues of W W^T / max(shape)"
Routine = Literal["auto", "gram", "svdvals"]
CHEAP_SIDE = 1024  # svdvals of 1024 x 1024 takes 0.2 s on one thread, twice the Gram route
_BLOCK = 8 * 1024 * 1024  # entries of a block: 64 MB in float64
_SHORT = 1024  # rows of a block whose products are summed in single precision
_ELONGATED = 2  # sides' ratio from which QR first is cheaper than the SVD of the whole
Wide = type[np.float32] | type[np.float64]


def is_real(array: Array) -> bool:
    """Whether an array holds real numbers, `htmu_diag.narrow` ones included."""
    return array.dtype.kind in "fiub" or bool(narrow_name(array.dtype))


def host_spectrum(
    matrix: Array, source: Source, *, routine: Routine = "auto", dtype: Wide = np.float64, threads: int | None = 1
) -> Spectrum:
    """As `exact_spectrum` of a matrix (rows, columns) that `is_real`; options and errors as there."""
    require_matrix(matrix.shape, source)
    with blas_threads(threads), np.errstate(all="ignore"):  # bad weights are reported by name
        if routine == "svdvals":
            return _by_svdvals(matrix, source, dtype)
        product = gram(matrix, dtype)
        _refuse_non_finite(product.diagonal(), matrix, source)
        values = np.linalg.eigvalsh(product)
        lost = int((values <= np.finfo(dtype).eps * len(values) * values[-1]).sum())
        if routine == "auto" and len(values) <= CHEAP_SIDE and lost:
            return _by_svdvals(matrix, source, dtype)
        ran = f"gram_eigvalsh {dtype.__name__}" + (f", {lost} unresolved" if lost else "")
        return _of_values(values, matrix, source, ran)


@np.errstate(all="ignore")  # NaN and infinite weights are reported by the caller, by name
def gram(matrix: Array, dtype: Wide = np.float64) -> Floats:
    """The smaller Gram matrix over the larger side, summed in float64 over blocks of products taken in ``dtype``."""
    tall = matrix if matrix.shape[0] > matrix.shape[1] else matrix.T  # (larger, smaller)
    larger, smaller = tall.shape
    step = max(_BLOCK // smaller, 1) if dtype is np.float64 else min(max(_BLOCK // smaller, 1), _SHORT)
    total = np.zeros(0)
    for start in range(0, larger, step):
        product = _product(widened(tall[start : start + step], dtype))
        total = np.add(total, product, out=total) if start else product
    return np.divide(total, larger, out=total)


def _product(block: Array) -> Floats:
    return np.asarray(block.T @ block, dtype=np.float64)


def core(matrix: Array, dtype: Wide) -> Array:
    """A matrix (k, m) with the singular values of ``matrix``, m being its smaller side; see `singular`."""
    tall = matrix if matrix.shape[0] > matrix.shape[1] else matrix.T
    larger, smaller = tall.shape
    if larger <= _ELONGATED * smaller:
        return widened(tall, dtype)
    step = max(_BLOCK // smaller, smaller)
    upper: Array = np.zeros((0, smaller), dtype)
    for start in range(0, larger, step):
        upper = np.asarray(np.linalg.qr(np.concatenate([upper, widened(tall[start : start + step], dtype)]), mode="r"))
    return upper


def _by_svdvals(matrix: Array, source: Source, dtype: Wide) -> Spectrum:
    reduced = core(matrix, dtype)
    _refuse_non_finite(reduced.sum(), matrix, source)
    singular = np.linalg.svd(reduced, compute_uv=False)
    return _of_values(singular**2 / max(matrix.shape), matrix, source, f"svdvals {dtype.__name__}")


def _of_values(values: Array, matrix: Array, source: Source, routine: str) -> Spectrum:
    """Eigenvalues of a Gram matrix are not negative: what lies below zero is rounding and becomes zero."""
    wide = np.maximum(values.astype(np.float64), 0.0)
    return Spectrum.exact(wide, source, routine=routine, scalars=zero_and_copied(matrix))


def require_matrix(shape: tuple[int, ...], source: Source) -> None:
    """Raises InputError for what is no matrix, or an empty one."""
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"{source.label()}: a non-empty matrix is needed, not shape {tuple(shape)}")


def _refuse_non_finite(summary: Any, matrix: Array, source: Source) -> None:
    if not np.isfinite(summary).all():
        step = max(_BLOCK // matrix.shape[1], 1)
        parts = (widened(matrix[start : start + step], np.float64) for start in range(0, matrix.shape[0], step))
        refuse_bad(sum(int((~np.isfinite(part)).sum()) for part in parts), matrix.size, source)


def refuse_bad(bad: int, entries: int, source: Source) -> None:
    """Raises MeasurementError for a matrix whose products are not finite; bad: how many of its entries are not."""
    found = f"{bad} of {entries} weights are NaN or infinite" if bad else "the weights overflow when squared"
    raise MeasurementError(f"{source.label()}: {found}; look for a diverged layer, or leave it out with exclude")
