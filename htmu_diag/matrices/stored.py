"""Tensors on disk: what every file format offers, and the errors they share."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from htmu_diag.errors import InputError

__all__ = ["DAMAGE", "RELEASE_BYTES", "StoredTensor", "byte_size", "first_line", "unreadable"]

# A mapped file counts as resident memory page by page as it is read; it is mapped anew after this many bytes.
RELEASE_BYTES = 64 * 1024 * 1024

# What torch and pickle raise on bytes that are not what they should be (seen by flipping and cutting files).
DAMAGE = (
    RuntimeError,
    OSError,
    EOFError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    MemoryError,
    ImportError,
)


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a checkpoint, not yet in memory: ``load`` reads a range of its leading dimension.

    identity: equal for two names of one tensor, where the format tells. refusal: why it cannot be read, else "".
    sample: cheap to have and equal for equal values (a row, a checksum), where the format cannot tell ties.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    load: Callable[[slice], torch.Tensor]
    identity: Hashable = None
    refusal: str = ""
    sample: Hashable = None


def unreadable(path: Path, what: str, remedy: str) -> InputError:
    """The error for a file that cannot be read: which, why, and what to do."""
    return InputError(f"{path}: {what}; {remedy}")


def first_line(error: BaseException) -> str:
    """The first sentence of a library's error, to be part of one line."""
    text = str(error).strip().splitlines()
    return text[0].split(". ")[0][:160] if text else type(error).__name__


def byte_size(shape: Iterable[int], dtype: torch.dtype) -> int:
    """Bytes of a dense tensor."""
    size = dtype.itemsize
    for side in shape:
        size *= side
    return size
