"""All eigenvalues of a small operator: its matrix from N products, then a dense symmetric eigensolver in float64."""

from __future__ import annotations

import numpy as np
import torch

from htmu_diag.arguments import checked, whole
from htmu_diag.errors import InputError
from htmu_diag.model.arguments import OPERATOR, SOURCE
from htmu_diag.operators.base import Operator
from htmu_diag.spectrum import Estimator, Source, Spectrum

__all__ = ["dense_matrix", "exact_operator_spectrum"]

# 8,192 columns in float64 are 512 MB and about ten minutes of LAPACK on one core
_LARGEST = 8192


@checked(operator=OPERATOR, block=whole(1))
def dense_matrix(operator: Operator, *, block: int = 64) -> torch.Tensor:
    """The operator's matrix (N, N) in float64 on the CPU, ``block`` columns of the identity at a time."""
    size = operator.shape[0]
    matrix = torch.empty(size, size, dtype=torch.float64, device="cpu")
    for first in range(0, size, block):
        width = min(block, size - first)
        columns = torch.zeros(size, width, dtype=operator.dtype, device=operator.device)
        columns[first : first + width].fill_diagonal_(1.0)
        matrix[:, first : first + width] = operator.matmat(columns).to("cpu", torch.float64)
    return matrix


@checked(operator=OPERATOR, source=SOURCE, largest=whole(1))
def exact_operator_spectrum(operator: Operator, source: Source, *, largest: int = _LARGEST) -> Spectrum:
    """All N eigenvalues, by N products. Raises InputError where N exceeds ``largest``."""
    size = operator.shape[0]
    if size > largest:
        raise InputError(
            f"{source.label()}: an operator of dimension {size} has a dense matrix of {8e-9 * size**2:.1f} GB; "
            "use spectral_density or top_k, or raise largest="
        )
    matrix = dense_matrix(operator)
    values = torch.linalg.eigvalsh((matrix + matrix.T) / 2).numpy()
    routine = f"dense eigvalsh float64, products in {str(operator.dtype).removeprefix('torch.')}"
    return Spectrum(values, np.full(size, 1 / size), size, source, Estimator("exact", routine, size))
