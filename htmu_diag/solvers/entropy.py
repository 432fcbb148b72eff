"""Entropy of eigenvectors, against that of uniformly random ones.

For a unit vector v of dimension n, H = -sum v_i^2 log v_i^2. Under Haar measure its mean is psi(n/2 + 1) - psi(3/2),
about log n - 0.73. Structured (localised) eigenvectors have less; the deficit is what they lack.
"""

from __future__ import annotations

import torch

__all__ = ["entropy_deficit"]


def entropy_deficit(vectors: torch.Tensor) -> float:
    """Haar entropy minus the mean entropy of the orthonormal columns of ``vectors`` (n, k), k > 0, in nats."""
    squares = vectors.abs().double() ** 2
    measured = -torch.xlogy(squares, squares).sum(dim=0).mean()
    half = torch.tensor(vectors.shape[0] / 2.0, dtype=torch.float64, device="cpu")
    haar = torch.digamma(half + 1.0) - torch.digamma(torch.tensor(1.5, dtype=torch.float64, device="cpu"))
    return float(haar - measured.cpu())
