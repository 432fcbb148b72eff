"""Chebyshev collocation on [-1, 1], and many series of one degree evaluated at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = [
    "DEGREE",
    "DIFFERENTIATION",
    "NODES",
    "TO_COEFFICIENTS",
    "Collocation",
    "Indices",
    "chebyshev_polynomials",
    "collocation",
    "series",
]

Indices = npt.NDArray[np.intp]

# Degree 24 was the fastest of 16, 24, 32 over the domain of the HTMP law (0.7 to 8 ms for all panels of one law).
DEGREE = 24
_BLOCK = 4096  # points evaluated at once: their coefficients are copied, 200 or 600 bytes a point


@dataclass(frozen=True)
class Collocation:
    """On the d + 1 Lobatto points of degree d.

    nodes: (d + 1,) ascending in [-1, 1]. The matrices, (d + 1, d + 1), take values there to the derivative's values, to
    those of the integral from -1, and to Chebyshev coefficients; ``derivative`` takes coefficients to the derivative's.
    """

    degree: int
    nodes: Floats
    differentiation: Floats
    integration: Floats
    to_coefficients: Floats
    derivative: Floats


@lru_cache
def collocation(degree: int) -> Collocation:
    """The matrices of one degree."""
    k = np.arange(degree + 1)
    nodes = -np.cos(np.pi * k / degree)
    weights = np.where((k == 0) | (k == degree), 2.0, 1.0) * (-1.0) ** k
    gaps = nodes[:, None] - nodes[None, :] + np.eye(degree + 1)
    matrix = np.outer(weights, 1.0 / weights) / gaps
    matrix -= np.diag(matrix.sum(axis=1))
    to_coefficients = np.linalg.inv(np.polynomial.chebyshev.chebvander(nodes, degree))
    integrals = np.polynomial.chebyshev.chebint(to_coefficients, lbnd=-1.0, axis=0)
    integration = np.polynomial.chebyshev.chebvander(nodes, degree + 1) @ integrals
    derivative = np.pad(np.polynomial.chebyshev.chebder(np.eye(degree + 1), axis=0), ((0, 1), (0, 0)))
    made = (np.asarray(each, dtype=np.float64) for each in (integration, to_coefficients, derivative))
    return Collocation(degree, nodes, matrix, *made)


_OWN = collocation(DEGREE)
NODES, DIFFERENTIATION, TO_COEFFICIENTS = _OWN.nodes, _OWN.differentiation, _OWN.to_coefficients


def series(coefficients: Floats, index: Indices, z: Floats) -> Floats:
    """(k, n): the k Chebyshev series of each point's own panel, at z in [-1, 1]."""
    out = np.empty((coefficients.shape[1], z.size))
    for first in range(0, z.size, _BLOCK):
        block = slice(first, first + _BLOCK)
        polynomials = chebyshev_polynomials(z[block], coefficients.shape[2] - 1)
        np.einsum("nkd,dn->kn", coefficients[index[block]], polynomials, out=out[:, block])
    return out


def chebyshev_polynomials(z: Floats, degree: int) -> Floats:
    """(degree + 1, n): Chebyshev polynomials at z, by T_{m+k} = 2 T_m T_k - T_{m-k}, twice as many each time."""
    found = np.empty((degree + 1, z.size))
    found[0], found[1] = 1.0, z
    m = 1
    while m < degree:
        k = min(m, degree - m)
        np.multiply(2.0 * found[m], found[1 : k + 1], out=found[m + 1 : m + k + 1])
        found[m + 1 : m + k + 1] -= found[m - k : m][::-1]
        m += k
    return found
