"""Chebyshev collocation on [-1, 1] at one degree, and many series of that degree evaluated at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["DEGREE", "DERIVATIVE", "DIFFERENTIATION", "INTEGRATION", "NODES", "TO_COEFFICIENTS", "Indices", "series"]

Indices = npt.NDArray[np.intp]

# Degree 24 was the fastest of 16, 24, 32 over the domain of the HTMP law (0.7 to 8 ms for all panels of one law).
DEGREE = 24
_BLOCK = 4096  # points evaluated at once: their coefficients are copied, 200 or 600 bytes a point


def _chebyshev(degree: int) -> tuple[Floats, Floats, Floats]:
    """Lobatto nodes (ascending), differentiation matrix, and the map from values to Chebyshev coefficients."""
    k = np.arange(degree + 1)
    nodes = -np.cos(np.pi * k / degree)
    weights = np.where((k == 0) | (k == degree), 2.0, 1.0) * (-1.0) ** k
    gaps = nodes[:, None] - nodes[None, :] + np.eye(degree + 1)
    matrix = np.outer(weights, 1.0 / weights) / gaps
    matrix -= np.diag(matrix.sum(axis=1))
    to_values = np.polynomial.chebyshev.chebvander(nodes, degree)
    return nodes, matrix.astype(np.float64), np.asarray(np.linalg.inv(to_values), dtype=np.float64)


def _integration() -> Floats:
    """Values at the nodes -> values of the integral from -1."""
    columns = np.polynomial.chebyshev.chebint(TO_COEFFICIENTS, lbnd=-1.0, axis=0)
    return np.asarray(np.polynomial.chebyshev.chebvander(NODES, DEGREE + 1) @ columns)


NODES, DIFFERENTIATION, TO_COEFFICIENTS = _chebyshev(DEGREE)
INTEGRATION = _integration()
# (DEGREE + 1, DEGREE + 1): Chebyshev coefficients -> those of the derivative
DERIVATIVE = np.pad(np.polynomial.chebyshev.chebder(np.eye(DEGREE + 1), axis=0), ((0, 1), (0, 0)))


def series(coefficients: Floats, index: Indices, z: Floats) -> Floats:
    """(k, n): the k Chebyshev series of each point's own panel, at z in [-1, 1]."""
    out = np.empty((coefficients.shape[1], z.size))
    for first in range(0, z.size, _BLOCK):
        block = slice(first, first + _BLOCK)
        np.einsum("nkd,dn->kn", coefficients[index[block]], _polynomials(z[block]), out=out[:, block])
    return out


def _polynomials(z: Floats) -> Floats:
    """(DEGREE + 1, n): Chebyshev polynomials at z, by T_{m+k} = 2 T_m T_k - T_{m-k}, twice as many each time."""
    found = np.empty((DEGREE + 1, z.size))
    found[0], found[1] = 1.0, z
    m = 1
    while m < DEGREE:
        k = min(m, DEGREE - m)
        np.multiply(2.0 * found[m], found[1 : k + 1], out=found[m + 1 : m + k + 1])
        found[m + 1 : m + k + 1] -= found[m - k : m][::-1]
        m += k
    return found
