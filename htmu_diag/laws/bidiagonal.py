"""Squared singular values of a bidiagonal matrix to high relative accuracy.

HTMP has eigenvalues on hundreds of orders of magnitude where gamma is near 1 and kappa small. A tridiagonal solver is
accurate relative to the largest one only: at gamma = 1, kappa = 0.3 it rounds 5 % of them to zero. The dqds algorithm
(Fernando & Parlett 1994; LAPACK's dlasq1) keeps the digits of the smallest, at the same price. scipy ships it for
compiled callers, in ``scipy.linalg.cython_lapack``; its address is taken from there.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np
import scipy

from htmu_diag.errors import HTMUError
from htmu_diag.spectrum import Floats

__all__ = ["squared_singular_values"]


# Windows of this length cost 0.03 s each; below twice it one call is the cheaper way.
_WINDOW = 2000
_FIRST_OVERLAP = 250  # enough for 1e-12 up to kappa of about 5; doubled where it is not
_MATCH = 1e-10  # largest relative distance between an eigenvalue of an overlap and that of the windows


def squared_singular_values(diagonal: Floats, below: Floats) -> Floats:
    """(n,) ascending, from the squares of the diagonal (n,) and of the subdiagonal (n - 1,) of a bidiagonal matrix.

    O(n**2) for n up to 4,000, and O(n) beyond where the singular vectors are localised, as those of the beta ensembles
    at fixed kappa are (a random chain in one dimension): see ``_by_windows``.
    """
    overlap, n = _FIRST_OVERLAP, diagonal.size
    while n > 2 * max(_WINDOW, 4 * overlap):
        head = 2 * max(_WINDOW, 4 * overlap)  # a beta ensemble is least localised at its head: tried there first
        if _by_windows(diagonal[:head], below[: head - 1], overlap) is not None:
            values = _by_windows(diagonal, below, overlap)
            if values is not None:
                return values
        overlap *= 2
    return _dqds(diagonal, below)


def _by_windows(diagonal: Floats, below: Floats, overlap: int) -> Floats | None:
    """All eigenvalues of overlapping windows of the chain, less those of the overlaps; None where these do not match.

    A state far from a cut does not feel it. So each state of an overlap, be it bound to the left cut, to the right
    one, or to neither, is also a state of one window too many: taking it away once leaves the states of the whole
    chain. How far an overlap's eigenvalues are from those taken away is the error, found equal to the true one in
    experiments.
    """
    starts = np.arange(0, diagonal.size - overlap, max(_WINDOW, 4 * overlap))
    ends = np.append(starts[1:] + overlap, diagonal.size)
    whole = np.sort(np.concatenate([_dqds(diagonal[i:j], below[i : j - 1]) for i, j in zip(starts, ends, strict=True)]))
    shared = [_dqds(diagonal[i : i + overlap], below[i : i + overlap - 1]) for i in starts[1:]]
    extra = np.sort(np.concatenate(shared))
    right = np.clip(np.searchsorted(whole, extra), 1, whole.size - 1)
    taken = right - (extra - whole[right - 1] < whole[right] - extra)
    if np.unique(taken).size < taken.size or (np.abs(whole[taken] - extra) > _MATCH * extra).any():
        return None
    return np.asarray(np.delete(whole, taken))


def _dqds(diagonal: Floats, below: Floats) -> Floats:
    values = np.sqrt(diagonal, dtype=np.float64)
    other = np.append(np.sqrt(below, dtype=np.float64), 0.0)
    work = np.empty(4 * values.size)
    size, info = ctypes.c_int(values.size), ctypes.c_int(0)
    _dlasq1()(ctypes.byref(size), values.ctypes.data, other.ctypes.data, work.ctypes.data, ctypes.byref(info))
    if info.value != 0:
        raise HTMUError(f"dlasq1 failed on {values.size} singular values (info {info.value}); draw again")
    return np.asarray(values[::-1] ** 2)


@functools.cache
def _dlasq1() -> Any:
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(_lapack("dlasq1").value or 0)


def _lapack(name: str) -> ctypes.c_void_p:
    """Address of a LAPACK function in scipy's table for Cython."""
    capsule = scipy.linalg.cython_lapack.__pyx_capi__[name]
    signature = ctypes.pythonapi.PyCapsule_GetName
    signature.restype, signature.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p(pointer(capsule, signature(capsule)))
