"""Rows and columns of a matrix that are zero, or copies of others: what its spectrum cannot tell.

A zero row of the shorter side leaves a zero eigenvalue, a zero column of the longer side none: noise with dead inputs
has the spectrum of noise of another shape, and taken for one of its own it is a bulk with a wrong edge. One pass finds
both kinds: the products of all rows, and of all columns, with a vector of random numbers. Zeros give zero, copies give
the same number; what is the same to rounding is then compared entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from htmu_diag.model.torch_values import array_of
from htmu_diag.narrow import Array, widened
from htmu_diag.spectrum import Floats
from htmu_diag.stacked import random

if TYPE_CHECKING:
    import torch

    Values = Array | torch.Tensor

__all__ = ["zero_and_copied"]

_BLOCK = 512 * 1024  # entries of a block: 4 MB in double precision; of 16 and more the allocator keeps some
# relative to a product, up to which products count as the same: far above the rounding of sums in double precision, and
# so small that of 30,000 different lines hardly two are compared; a device may have single precision alone
_SAME, _SAME_IN_SINGLE = 1e-9, 1e-5
_FEW = 16  # products of 32,768: below it sixteen passes over them cost less than sorting them once more


def zero_and_copied(matrix: Values) -> dict[str, float]:
    """How many rows and columns of a finite matrix are zero, and how many are copies of an earlier one that is not.

    Keys zero_rows, zero_columns, copied_rows, copied_columns; those of which there are none are left out.
    """
    matrix = _at_hand(matrix)
    tall = matrix if matrix.shape[0] > matrix.shape[1] else matrix.swapaxes(0, 1)
    names = ("rows", "columns") if tall is matrix else ("columns", "rows")
    found: dict[str, int] = {}
    for name, lines, products in zip(names, (tall, tall.swapaxes(0, 1)), _products(tall), strict=True):
        zero = sum(not _on_host(lines[int(i)]).any() for i in np.flatnonzero(products == 0))
        found |= {f"zero_{name}": zero, f"copied_{name}": _copied(lines, products)}
    return {name: float(found[name]) for name in sorted(found, reverse=True) if found[name]}


def _products(tall: Values) -> tuple[Floats, Floats]:
    """Of each row (larger,) and of each column (smaller,) with random numbers; of complex ones a mix of both parts."""
    larger, smaller = tall.shape
    of_rows, of_columns = [], np.zeros(smaller)
    step = max(_BLOCK // smaller, 1)
    for start in range(0, larger, step):
        block = _wide(tall[start : start + step])
        of_rows.append(_times(block, random(smaller)))
        of_columns += _times(block.swapaxes(0, 1), random(larger)[start : start + step])
    return np.concatenate(of_rows), of_columns


def _times(block: Values, numbers: Floats) -> Floats:
    if isinstance(block, np.ndarray):
        return _mixed(block @ numbers)
    import torch

    return _mixed((block @ torch.from_numpy(numbers).to(block)).cpu().numpy())


def _mixed(products: Array) -> Floats:
    return np.asarray(products.real + products.imag / 3 if np.iscomplexobj(products) else products, dtype=np.float64)


def _copied(lines: Values, products: Floats) -> int:
    """lines: (n, m), products: (n,). Those that were met before, zeros left out."""
    wide = isinstance(lines, np.ndarray) or str(lines.dtype) in ("torch.float64", "torch.complex128")
    ranked = np.sort(products)
    near = _near(ranked, _SAME if wide else _SAME_IN_SINGLE)
    if not near.any():
        return 0
    alike = _places(products, ranked[np.append(near, False) | np.append(False, near)])
    return int(alike.size) - len({line for part in _parts(lines, alike) for line in part})


def _places(products: Floats, wanted: Floats) -> npt.NDArray[np.intp]:
    """Where products are one of the wanted; of a few they are looked for one after the other."""
    if wanted.size > _FEW:
        return np.flatnonzero(np.isin(products, wanted))
    found = np.zeros(products.size, dtype=bool)
    for value in wanted:
        found |= products == value
    return np.flatnonzero(found)


def _near(ranked: Floats, same: float) -> npt.NDArray[np.bool_]:
    """Of ascending products (n,) which are the same as the next one, (n - 1,), and not zero."""
    upper = ranked[1:]
    near: npt.NDArray[np.bool_] = upper - ranked[:-1] <= same * np.abs(upper)
    return near & (upper != 0) if near.any() else near


def _parts(lines: Values, places: npt.NDArray[np.intp]) -> Iterator[Iterator[int]]:
    """Hashes of what these lines hold, a block of them at a time."""
    step = max(_BLOCK // lines.shape[1], 1)
    for start in range(0, places.size, step):
        block = np.ascontiguousarray(_on_host(lines[places[start : start + step]]) + 0)  # + 0: zero without a sign
        yield (hash(line.tobytes()) for line in block)


def _at_hand(matrix: Values) -> Values:
    """The memory of a tensor on the CPU as an array; what lies on a device stays there."""
    array = array_of(matrix)
    return matrix if array is None else array


def _wide(part: Values) -> Values:
    """In double precision on the CPU, in single precision or better on a device."""
    if isinstance(part, np.ndarray):
        return widened(part, np.complex128 if np.iscomplexobj(part) else np.float64)
    return part.float() if not part.is_complex() and part.dtype.itemsize < 4 else part


def _on_host(part: Values) -> Array:
    """In a type of numpy's of four bytes or more: no narrower number changes by it."""
    if isinstance(part, np.ndarray):
        return widened(part) if part.itemsize < 4 else part
    return np.asarray((part if part.dtype.itemsize >= 4 else part.float()).cpu().numpy())
