"""Matrices of one shape, decomposed by a few calls of numpy: each as it would be alone, to the last bit.

numpy's product and its eigenvalues take a stack and call BLAS and LAPACK for one matrix after the other, without
Python's lock: for 40 matrices of 128 x 128 that lock is taken ten times in place of 800. A training whose steps are
many small calls waits at each of them for a thread that holds it. So this file needs neither torch nor the rest of the
package: a process beside the training can do it.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from htmu_diag.beside import answers_to

__all__ = ["MOST", "Stacked", "asked", "decomposed", "joined", "random", "serve"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]
MOST = 2**20  # entries of a matrix; of larger ones a call takes longer than all of Python around it
_TOGETHER = 2**18  # entries widened at once: 2 MB, so that they stay in the cache between the calls
_SAME = 100  # units in the last place, relative to a product, up to which products count as the same
_PARTS = 512  # of one call; systems allow 1,024
_HEAD = struct.Struct("=4q")  # matrices, rows, columns, bytes of an entry


@dataclass(frozen=True)
class Stacked:
    """Of k matrices with s as the smaller side.

    values: (k, s) ascending eigenvalues of the smaller Gram matrix over the larger side, negative ones by rounding as
    they came. found: (k,) False where they are none: of a matrix with NaN, infinite or too large entries, or beside one
    whose eigenvalues do not converge. plain: (k,) False where a row or column may be zero, or a copy of another.
    """

    values: Floats
    found: Flags
    plain: Flags


def decomposed(matrices: Sequence[Array]) -> Stacked:
    """matrices: all of one shape (n, m) and one type, float32 or float64, each C-contiguous."""
    step = max(_TOGETHER // max(matrices[0].size, 1), 1)
    return joined([_decomposed(np.stack(matrices[start : start + step])) for start in range(0, len(matrices), step)])


def joined(parts: Sequence[Stacked]) -> Stacked:
    """One behind the other."""
    values, found, plain = zip(*((part.values, part.found, part.plain) for part in parts), strict=True)
    return Stacked(np.concatenate(values), np.concatenate(found), np.concatenate(plain))


def _decomposed(stack: Array) -> Stacked:
    with np.errstate(all="ignore"):  # what overflows is reported by name where it is asked for alone
        wide = stack.astype(np.float64, copy=False)
        tall = wide if wide.shape[1] > wide.shape[2] else wide.swapaxes(1, 2)
        products = tall.swapaxes(1, 2) @ tall
        products /= tall.shape[1]
        found: Flags = np.asarray(np.isfinite(np.diagonal(products, axis1=1, axis2=2)).all(axis=1))
        products[~found] = 0.0
        plain = _plain(stack)
    try:
        values = np.asarray(np.linalg.eigvalsh(products), dtype=np.float64)
        return Stacked(values, found, plain)
    except np.linalg.LinAlgError:
        return Stacked(np.zeros(products.shape[:2]), np.zeros_like(found), plain)


def _plain(stack: Array) -> Flags:
    """By products of rows and of columns with random numbers, as in `htmu_diag.solvers.rows_columns`: what may be the
    same here is compared there."""
    found = np.ones(len(stack), dtype=bool)
    for lines in (stack, stack.swapaxes(1, 2)):
        products = lines @ random(lines.shape[2]).astype(stack.dtype)  # (k, lines)
        ranked = np.sort(products, axis=1).astype(np.float64)
        typical = np.sqrt(np.square(ranked).mean(axis=1, keepdims=True))  # what rounding is relative to
        same = np.diff(ranked) <= _rounding(np.abs(ranked[:, 1:]) + typical, stack.dtype.itemsize > 4)
        found &= (ranked != 0).all(axis=1) & ~same.any(axis=1)
    return found


def _rounding(products: Floats, wide: bool) -> Floats:
    """Up to which difference products of that size count as the same. wide: taken in double precision."""
    return np.asarray(_SAME * np.finfo(np.float64 if wide else np.float32).eps * products)


@lru_cache(maxsize=32)
def random(size: int) -> Floats:
    """So small that no product exceeds the largest entry; by a power of two, which rounds nothing."""
    return np.random.default_rng(size).standard_normal(size) / 2.0 ** (size.bit_length() + 3)


def asked(matrices: Sequence[Array], requests: IO[bytes], answers: IO[bytes]) -> Stacked:
    """`decomposed` by the process at the other end of two pipes. Raises OSError or EOFError where it ended."""
    count, (rows, columns) = len(matrices), matrices[0].shape
    head = _HEAD.pack(count, rows, columns, matrices[0].itemsize)
    _send(requests, [memoryview(head), *(matrix.data.cast("B") for matrix in matrices)])
    small = min(rows, columns)
    found = np.frombuffer(_read(answers, count * (small * 8 + 2)), dtype=np.uint8)
    values, flags = found[: count * small * 8].view(np.float64), found[count * small * 8 :].view(np.bool_)
    return Stacked(values.reshape(count, small), flags[:count], flags[count:])


def serve(parent: int) -> None:
    """The process: matrices come in, what was found goes out, until the parent closes or ends."""
    requests, answers = sys.stdin.buffer, os.fdopen(answers_to(parent), "wb")
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            count, rows, columns, itemsize = _HEAD.unpack(_read(requests, _HEAD.size))
            entries = np.frombuffer(_read(requests, count * rows * columns * itemsize), dtype=f"f{itemsize}")
            found = decomposed(list(entries.reshape(count, rows, columns)))
            for part in (found.values, found.found, found.plain):
                answers.write(part.tobytes())
            answers.flush()


def _send(pipe: IO[bytes], parts: list[memoryview]) -> None:
    """By few calls, each of which takes Python's lock again when it ends."""
    if not hasattr(os, "writev"):
        pipe.write(b"".join(parts))
        pipe.flush()
        return
    while parts:
        sent = os.writev(pipe.fileno(), parts[:_PARTS])
        while parts and sent >= len(parts[0]):
            sent -= len(parts.pop(0))
        if sent:
            parts[0] = parts[0][sent:]


def _read(pipe: IO[bytes], size: int) -> bytearray:
    found = bytearray(size)
    rest = memoryview(found)
    while rest:
        count = pipe.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        rest = rest[count:]
    return found
