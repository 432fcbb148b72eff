"""The smaller Gram matrix of W over its larger side, summed over blocks of the larger side, and its eigenvalues.

Blocks bound the memory: an embedding of 150,000 x 4096 in bfloat16 is widened to float64 some 64 MB at a time, and only
its 4096 x 4096 Gram matrix is kept. On a CPU numpy does the arithmetic: it sees that B^T B is symmetric and computes
half of it (``syrk``), and releases the interpreter's lock while it works. On a device torch does.
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["eigenvalues", "gram"]

_BLOCK = 8 * 1024 * 1024  # entries of a block: 64 MB in float64


def gram(matrix: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """W W^H / columns for rows <= columns, else W^H W / rows: (m, m) with m the smaller side, in ``dtype``."""
    tall = matrix if matrix.shape[0] > matrix.shape[1] else matrix.mH  # (larger, smaller)
    larger, smaller = tall.shape
    step = max(_BLOCK // smaller, 1)
    total = torch.zeros(smaller, smaller, dtype=dtype, device=matrix.device)
    for start in range(0, larger, step):
        _add_gram(total, tall[start : start + step].to(dtype))
    return total.div_(larger)


def _add_gram(total: torch.Tensor, block: torch.Tensor) -> None:
    if _numpy_serves(total):
        array = block.numpy()
        with np.errstate(all="ignore"):  # NaN and infinite weights are reported by the caller, by name
            total += torch.from_numpy(array.T @ array)
    else:
        total.addmm_(block.mH, block)


def eigenvalues(symmetric: torch.Tensor) -> torch.Tensor:
    """Ascending eigenvalues of Hermitian matrices (..., m, m)."""
    if _numpy_serves(symmetric):
        return torch.from_numpy(np.linalg.eigvalsh(symmetric.numpy()))
    values: torch.Tensor = torch.linalg.eigvalsh(symmetric)
    return values


def _numpy_serves(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and not tensor.dtype.is_complex
