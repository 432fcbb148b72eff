"""Eigenvector entropy of Haar-distributed vectors, the reference for measured ones.

For a unit vector v of dimension n, H = -sum v_i^2 log v_i^2. Under Haar measure v_1^2 is Beta(1/2, (n-1)/2), so that
E H = -n E[v_1^2 log v_1^2] = psi(n/2 + 1) - psi(3/2), about log n - 0.73.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, xlogy

from htmu_diag.spectrum import Floats

__all__ = ["eigenvector_entropy", "haar_entropy"]


def haar_entropy(n: int) -> float:
    """Mean entropy, in nats, of a uniformly random unit vector of dimension n."""
    return float(digamma(n / 2.0 + 1.0) - digamma(1.5))


def eigenvector_entropy(vectors: npt.ArrayLike) -> Floats:
    """Entropy, in nats, of each unit column of ``vectors`` (n, k); returns (k,)."""
    squares = np.asarray(vectors, dtype=np.float64) ** 2  # (n, k)
    return np.asarray(-xlogy(squares, squares).sum(axis=0))
