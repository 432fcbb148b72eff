"""A projected trace kernel: k random directions in output space instead of all C outputs, with its error.

For orthonormal random directions u_1..u_k (the first columns of a Haar matrix, by QR of C x k normal numbers)
K^ = (C/k) sum_u J_u J_u^T, where J_u is the Jacobian of u^T f, has the mean sum_c J_c J_c^T, and is exact at k = C. The
cost falls by k/C in every term. The directions are taken in two groups of a + b = k. By exchangeability, as in sampling
without replacement, the squared error of K^ has the mean

    E |K_a - K_b|_F^2 (C - k) / (C k (1/a + 1/b)),

so that the error is measured on the very kernel that is returned.
"""

from __future__ import annotations

import torch
from torch import Tensor

from htmu_diag.errors import InputError

__all__ = ["combine", "directions"]


def directions(outputs: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two groups of directions scaled so that each group's kernel is unbiased: (a, C) and (b, C), float64.

    Raises InputError unless 2 <= count <= C: one direction has no error estimate (that is outputs="pseudo").
    """
    if not 2 <= count <= outputs:
        raise InputError(
            f"sketch={count}: the kernel of {outputs} outputs can be projected on 2 to {outputs} directions; "
            "use sketch=None for the exact kernel, or outputs='pseudo' for a single direction"
        )
    generator = torch.Generator().manual_seed(seed)
    frame, triangle = torch.linalg.qr(
        torch.randn(outputs, count, generator=generator, dtype=torch.float64, device="cpu")
    )
    haar = (frame * triangle.diagonal().sign()).T
    first = (count + 1) // 2
    return haar[:first] * (outputs / first) ** 0.5, haar[first:] * (outputs / (count - first)) ** 0.5


def combine(first: Tensor, second: Tensor, count: int, outputs: int) -> tuple[Tensor, float]:
    """The unbiased kernel from those of the two groups, and its estimated relative Frobenius error."""
    a, b = (count + 1) // 2, count // 2
    kernel = (a * first + b * second) / count
    share = (outputs - count) / (outputs * count * (1 / a + 1 / b))
    return kernel, float((first - second).norm() / kernel.norm()) * share**0.5
