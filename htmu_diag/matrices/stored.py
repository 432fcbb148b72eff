"""Tensors on disk: what every file format offers, and the errors they share."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch

from htmu_diag.errors import InputError

__all__ = ["RELEASE_BYTES", "StoredTensor", "unreadable"]

# A mapped file counts as resident memory page by page as it is read; it is mapped anew after this many bytes.
RELEASE_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a checkpoint, not yet in memory: ``load`` reads a range of its leading dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    load: Callable[[slice], torch.Tensor]
    identity: Hashable = None
    refusal: str = ""


def unreadable(path: Path, what: str, remedy: str) -> InputError:
    """The error for a file that cannot be read: which, why, and what to do."""
    return InputError(f"{path}: {what}; {remedy}")


def byte_size(shape: Iterable[int], dtype: torch.dtype) -> int:
    """Bytes of a dense tensor."""
    size = dtype.itemsize
    for side in shape:
        size *= side
    return size
