"""The smaller Gram matrix of W over its larger side, summed over blocks of the larger side.

Blocks bound the memory: an embedding of 150,000 x 4096 in bfloat16 is widened to float64 some 16 MB at a time, and
only its 4096 x 4096 Gram matrix is kept.
"""

from __future__ import annotations

import torch

__all__ = ["gram"]

_BLOCK = 8 * 1024 * 1024  # entries of a block: 64 MB in float64


def gram(matrix: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """W W^H / columns for rows <= columns, else W^H W / rows: (m, m) with m the smaller side, in ``dtype``."""
    tall = matrix if matrix.shape[0] > matrix.shape[1] else matrix.mT  # (larger, smaller)
    larger, smaller = tall.shape
    step = max(_BLOCK // smaller, 1)
    total = torch.zeros(smaller, smaller, dtype=dtype, device=matrix.device)
    for start in range(0, larger, step):
        block = tall[start : start + step].to(dtype)
        total.addmm_(block.mH, block)
    return total.div_(larger)
