"""Eigenvector entropy of Haar-distributed vectors, the reference for measured ones.

For a unit vector v of dimension n, H = -sum v_i^2 log v_i^2. Under Haar measure v_1^2 is Beta(1/2, (n-1)/2), so that
E H = -n E[v_1^2 log v_1^2] = psi(n/2 + 1) - psi(3/2), about log n - 0.73.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.arguments import checked, real_array, whole
from htmu_diag.errors import InputError
from htmu_diag.spectrum import Floats

__all__ = ["eigenvector_entropy", "haar_entropy", "haar_entropy_stddev"]

UNIT = 0.01  # of a squared length: what short types leave of 1


@checked(n=whole(1, 2**62))
def haar_entropy(n: int) -> float:
    """Mean entropy, in nats, of a uniformly random unit vector of dimension n."""
    return float(scipy.special.digamma(n / 2.0 + 1.0) - scipy.special.digamma(1.5))


def haar_entropy_stddev(n: int) -> float:
    """Standard deviation of the entropy of a uniformly random unit vector of dimension n; 0 for n = 1.

    The squares are Dirichlet(1/2, ..., 1/2), whose moments E[x^s y^t] are ratios of Gamma functions: their derivatives
    in s and t at (2, 0) and (1, 1) give E[x^2 log^2 x] and E[x log x y log y] (ours).

    >>> round(haar_entropy_stddev(256), 4)
    0.0556
    """
    half = n / 2.0
    gap = scipy.special.digamma(2.5) - scipy.special.digamma(half + 2)
    square = (
        0.75 / (half * (half + 1)) * (gap**2 + scipy.special.polygamma(1, 2.5) - scipy.special.polygamma(1, half + 2))
    )
    cross = scipy.special.digamma(1.5) - scipy.special.digamma(half + 2)
    product = 0.25 / (half * (half + 1)) * (cross**2 - scipy.special.polygamma(1, half + 2))
    variance = n * square + n * (n - 1) * product - haar_entropy(n) ** 2
    return float(np.sqrt(max(variance, 0.0)))


def eigenvector_entropy(vectors: npt.ArrayLike) -> Floats:
    """Entropy, in nats, of each unit column of ``vectors`` (n, k); returns (k,). InputError for other lengths."""
    array = real_array(vectors, "vectors")  # (n, k)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise InputError(f"vectors of shape {array.shape}: pass finite unit vectors as the columns of an (n, k) array")
    squares = array**2
    if array.size and np.abs(squares.sum(axis=0) - 1).max() > UNIT:
        raise InputError("vectors of other lengths than 1 have no entropy; divide each column by its norm")
    return np.asarray(-scipy.special.xlogy(squares, squares).sum(axis=0))
