"""Tensors on disk: what every file format offers, and the errors they share."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from htmu_diag.errors import InputError
from htmu_diag.plain_files import open_plain
from htmu_diag.safe_text import safe_text

if TYPE_CHECKING:
    from htmu_diag.matrices.stored_type import NumberType
    from htmu_diag.model.torch_values import Values
else:
    NumberType = Values = Any

__all__ = [
    "DAMAGE",
    "RELEASE_BYTES",
    "NoTensors",
    "StoredTensor",
    "byte_size",
    "first_line",
    "no_load",
    "opened",
    "unreadable",
]

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
    NotImplementedError,
)


class NoTensors(InputError):
    """A sound file without weights of its own, such as one of an optimizer: others beside it may have them."""


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a checkpoint, not yet in memory: ``load`` reads a range of its leading dimension.

    load gives a tensor of torch, or an array of numpy where a format needs no torch (bfloat16 and narrower as in
    `htmu_diag.narrow`); dtype is torch's, or the `stored_type` of that name.
    identity: equal for two names of one tensor, where the format tells. refusal: why it cannot be read, else "".
    sample: cheap to have and equal for equal values (a row, a checksum), where the format cannot tell ties.
    """

    name: str
    shape: tuple[int, ...]
    dtype: NumberType
    load: Callable[[slice], Values]
    identity: Hashable = None
    refusal: str = ""
    sample: Hashable = None


def no_load(rows: slice) -> Values:
    """For tensors that only stand for a reason: there is nothing to read."""
    raise InputError("nothing to read: only a reason is kept under this name; see Inventory.skipped")


def unreadable(path: Path, what: str, remedy: str) -> InputError:
    """The error for a file that cannot be read: which, why, and what to do."""
    return InputError(f"{path}: {what}; {remedy}")


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """A regular file, opened. Raises InputError with its name where it is none or cannot be opened."""
    try:
        file = open_plain(path)
    except OSError as error:
        raise unreadable(path, f"cannot be opened ({error.strerror or error})", "check the path") from error
    with file:
        yield file


def first_line(error: BaseException) -> str:
    """The first sentence of a library's error, to be part of one line."""
    text = str(error).strip().splitlines()
    return safe_text(text[0].split(". ")[0][:160]) if text else type(error).__name__


def byte_size(shape: Iterable[int], dtype: NumberType) -> int:
    """Bytes of a dense tensor."""
    size = dtype.itemsize
    for side in shape:
        size *= side
    return size
