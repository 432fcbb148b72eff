"""Singular values of a matrix of which the smaller side is small: QR by blocks of the larger side, then an SVD.

R of W = Q R has the singular values of W, each to eps sigma_max, since Householder QR is backward stable (Golub & Van
Loan, section 5.2). Stacking R of the blocks read so far on the next block and reducing again needs one block in memory
and never forms the larger side; for a square matrix nothing is gained and the SVD is taken at once.
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["core", "singular_values"]

_BLOCK = 8 * 1024 * 1024  # entries of a block: 64 MB in float64
_ELONGATED = 2  # sides' ratio from which QR first is cheaper than the SVD of the whole


def core(matrix: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A matrix (k, m) with the singular values of ``matrix``, m being its smaller side; in ``dtype``."""
    tall = matrix if matrix.shape[0] > matrix.shape[1] else matrix.mH
    larger, smaller = tall.shape
    if larger <= _ELONGATED * smaller:
        return tall.to(dtype)
    step = max(_BLOCK // smaller, smaller)
    upper = torch.zeros(0, smaller, dtype=dtype, device=matrix.device)
    for start in range(0, larger, step):
        upper = torch.linalg.qr(torch.cat([upper, tall[start : start + step].to(dtype)]), mode="r").R
    return upper


def singular_values(reduced: torch.Tensor) -> torch.Tensor:
    """Descending singular values. On a CPU by numpy's LAPACK, which was 1.2 to 2 times faster than torch's; on a CUDA
    device by QR iterations: as fast as Jacobi's (torch's choice) and thirty times closer."""
    if reduced.device.type == "cpu":
        return torch.from_numpy(np.linalg.svd(reduced.numpy(), compute_uv=False))
    values: torch.Tensor = torch.linalg.svdvals(reduced, driver="gesvd" if reduced.device.type == "cuda" else None)
    return values
