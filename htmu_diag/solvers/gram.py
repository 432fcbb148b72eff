"""The smaller Gram matrix of W over its larger side, summed over blocks of the larger side, and its eigenvalues.

Blocks bound the memory: an embedding of 150,000 x 4096 in bfloat16 is widened to float64 some 64 MB at a time, and only
its 4096 x 4096 Gram matrix is kept. On a CPU numpy does the arithmetic: it sees that B^T B is symmetric and computes
half of it (``syrk``), and releases the interpreter's lock while it works. On a device torch does.
"""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["eigenvalues", "gram", "products_are_full"]

_BLOCK = 8 * 1024 * 1024  # entries of a block: 64 MB in float64
_SHORT = 1024  # rows of a block whose products are summed in single precision


def gram(matrix: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """W W^H / columns for rows <= columns, else W^H W / rows: (m, m) with m the smaller side.

    dtype: of the products. Blocks of single-precision products are summed in double precision where the device has it.
    """
    tall = matrix if matrix.shape[0] > matrix.shape[1] else matrix.mH  # (larger, smaller)
    larger, smaller = tall.shape
    step = max(_BLOCK // smaller, 1)
    wide = matrix.device.type != "mps"
    if dtype.itemsize < 8:
        step = min(step, _SHORT)
    total: torch.Tensor | None = None
    for start in range(0, larger, step):
        product = _product(tall[start : start + step].to(dtype))
        product = product.to(torch.promote_types(dtype, torch.float64)) if wide else product
        total = product if total is None else total.add_(product)
    assert total is not None  # the matrix is not empty
    return total.div_(larger)


def _product(block: torch.Tensor) -> torch.Tensor:
    if not _numpy_serves(block):
        return block.mH @ block
    array = block.numpy()
    with np.errstate(all="ignore"):  # NaN and infinite weights are reported by the caller, by name
        return torch.from_numpy(array.T @ array)


def eigenvalues(symmetric: torch.Tensor) -> torch.Tensor:
    """Ascending eigenvalues of Hermitian matrices (..., m, m); on the CPU where the device has no solver."""
    if symmetric.device.type == "mps":
        symmetric = symmetric.cpu()
    if _numpy_serves(symmetric):
        return torch.from_numpy(np.linalg.eigvalsh(symmetric.numpy()))
    values: torch.Tensor = torch.linalg.eigvalsh(symmetric)
    return values


def products_are_full() -> bool:
    """Whether a product of float32 matrices on a CUDA device keeps all of their bits, as torch is set now."""
    matmul = torch.backends.cuda.matmul
    if hasattr(matmul, "fp32_precision"):
        return str(matmul.fp32_precision) in ("ieee", "none")
    return not matmul.allow_tf32


def _numpy_serves(tensor: torch.Tensor) -> bool:
    return tensor.device.type == "cpu" and not tensor.dtype.is_complex
