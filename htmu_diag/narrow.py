"""Numbers that numpy has no type for (bfloat16, eighth precision), as arrays of one field that bears their type's name.

Such an array is cut, transposed and reshaped like any other, and cannot be added or multiplied by mistake. `widened`
gives its numbers, of as many rows as are wanted at a time.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["NARROW", "Array", "narrow_name", "widened"]

Array = npt.NDArray[Any]
_CODES = {"bfloat16": "u2", "float8_e4m3fn": "u1", "float8_e5m2": "u1", "float8_e8m0fnu": "u1"}
_PIECE = 2**16  # entries that are read at a time
NARROW = {name: np.dtype([(name, code)]) for name, code in _CODES.items()}


def narrow_name(kind: np.dtype[Any]) -> str:
    """The name of a type that is one of `NARROW`, "" for numpy's own."""
    return kind.names[0] if kind.names and len(kind.names) == 1 and kind.names[0] in NARROW else ""


def widened(array: Array, kind: npt.DTypeLike = np.float32) -> Array:
    """The numbers in a wider type, without rounding; numpy's own types may be widened too.

    A copy has the order in memory that the array has, as torch's have: it decides the last bits of products.
    """
    name = narrow_name(array.dtype)
    if not name:
        return array.astype(kind, copy=False)
    if array.ndim > 1 and array.strides[0] < array.strides[-1]:
        return widened(array.T, kind).T
    codes, found = array[name], np.empty_like(array[name], kind)
    step = max(_PIECE // max(codes[:1].size, 1), 1) if codes.ndim else 1
    for start in range(0, len(codes) if codes.ndim else 1, step):
        part = slice(start, start + step) if codes.ndim else ...
        with np.errstate(invalid="ignore"):  # some codes are signalling NaN
            found[part] = _decoded(codes[part], name)
    return found


def _decoded(codes: Array, name: str) -> Array:
    """In float32."""
    if name == "bfloat16":  # the upper half of one
        return np.left_shift(codes, 16, dtype=np.uint32).view(np.float32)
    return np.asarray(_table(name)[codes])


@cache
def _table(name: str) -> Array:
    """The number of each code of eighth precision, (256,) in float32."""
    codes = np.arange(256)
    if name == "float8_e5m2":  # the upper half of a float16
        return (codes << 8).astype(np.uint16).view(np.float16).astype(np.float32)
    if name == "float8_e8m0fnu":  # powers of two alone
        return np.where(codes == 255, np.nan, np.ldexp(1.0, codes - 127)).astype(np.float32)
    exponents, digits = codes >> 3 & 15, codes & 7
    sizes = np.where(exponents > 0, np.ldexp(8.0 + digits, exponents - 10), np.ldexp(1.0 * digits, -9))
    sizes[codes & 127 == 127] = np.nan  # it has no infinity
    return np.asarray(np.where(codes > 127, -sizes, sizes), dtype=np.float32)
