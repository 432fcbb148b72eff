"""Tensors of PyTorch files (``.pt``, ``.pth``, ``.bin``): mapped, not loaded, and read without running any code.

``weights_only=True`` refuses a pickle that calls functions; such a file can do anything to the machine that opens it.
Beyond tensors, a few classes that only hold values are let through, since training scripts save them beside the
weights: numpy's scalars, paths and ``argparse.Namespace``.
"""

from __future__ import annotations

import argparse
import pathlib
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from htmu_diag.matrices.state_dict import Found, state_dict_in
from htmu_diag.matrices.stored import DAMAGE, RELEASE_BYTES, StoredTensor, byte_size, first_line, unreadable
from htmu_diag.model.tensors import identity_of, read_rows, refusal_of, shape_of, weight_dtype

__all__ = ["torch_tensors"]

_PACKED = re.compile(r"(^|\.)_packed_params\._packed_(params\.0|weight)$")  # the weight of torch.ao's quantised modules


def torch_tensors(path: Path) -> Iterator[StoredTensor]:
    """The tensors of one file, of its nested state dict where it has one. Raises InputError where it has none."""
    file = _Mapped(path)
    for name, tensor in list(file.tensors().items()):
        refusal = refusal_of(tensor) or file.left_out(name)
        identity = None if refusal else identity_of(tensor)
        load, dtype = _Load(file, name), weight_dtype(tensor)
        yield StoredTensor(_PACKED.sub(r"\1weight", name), shape_of(tensor), dtype, load, identity, refusal)


class _Mapped:
    """One file, mapped when first needed and mapped anew before more than `RELEASE_BYTES` of it are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tensors: dict[str, torch.Tensor] | None = None
        self._key, self._beside = "", frozenset[str]()
        self._read = 0

    def tensors(self) -> dict[str, torch.Tensor]:
        if self._tensors is None:
            found = self._found()
            if not found.tensors:
                what = f"no tensors by name in this file{found.reason}"
                raise unreadable(
                    self.path, what, "save model.state_dict(), alone or under the key 'state_dict' or 'model'"
                )
            self._tensors = {**found.tensors, **found.beside}
            self._key, self._beside = found.key, frozenset(found.beside)
        return self._tensors

    def _found(self) -> Found:
        try:
            return state_dict_in(_load(self.path))
        except RecursionError as error:
            raise unreadable(self.path, "its dictionaries hold themselves", "save model.state_dict()") from error

    def left_out(self, name: str) -> str:
        return f"beside {self._key!r}, the state dict that is read" if name in self._beside else ""

    def read(self, name: str, rows: slice) -> torch.Tensor:
        tensor = self.tensors()[name]
        count = len(range(*rows.indices(tensor.shape[0]))) if tensor.ndim else 1
        size = byte_size((count, *tensor.shape[1:]), tensor.dtype)
        if self._read and self._read + size > RELEASE_BYTES:
            self._tensors, self._read = None, 0
        self._read += size
        return read_rows(self.tensors()[name], rows)


class _Load:
    def __init__(self, file: _Mapped, name: str) -> None:
        self.file, self.name = file, name

    def __call__(self, rows: slice) -> torch.Tensor:
        return self.file.read(self.name, rows)


def _load(path: Path) -> Any:
    try:
        zipped = zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        zipped = False
    if not zipped and not _is_pickle(path):
        raise unreadable(path, "not a PyTorch file, or a truncated one", "pass a file written by torch.save")
    try:
        with torch.serialization.safe_globals(_value_classes()):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        needed = re.search(r"GLOBAL (\S+)", str(error))
        if needed is None and "WeightsUnpickler error" in str(error):
            raise unreadable(path, "its pickle is damaged", "pass a whole file written by torch.save") from error
        what = f"it needs code to be run, which is refused ({needed[1] if needed else first_line(error)})"
        raise unreadable(path, what, "save model.state_dict() in its place") from error
    except DAMAGE as error:
        what = f"torch cannot read it ({first_line(error)})"
        raise unreadable(path, what, "pass a whole file written by torch.save") from error


def _is_pickle(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1) == b"\x80"


def _value_classes() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Classes and functions that make values and do nothing else, under the names that older versions pickled."""
    scalar = np.float64(0.0).__reduce__()[0]
    dtypes = [type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    paths = (pathlib.PosixPath, pathlib.PurePosixPath)
    known: list[tuple[Any, str]] = [(scalar, name) for name in names]
    return [*dtypes, np.dtype, argparse.Namespace, *paths, *known]
