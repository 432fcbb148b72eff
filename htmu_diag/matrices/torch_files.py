"""Tensors of PyTorch files (``.pt``, ``.pth``, ``.bin``): mapped, not loaded, and read without running any code.

`torch_archive` refuses a pickle that calls functions; such a file can do anything to the machine that opens it.
Beyond tensors, a few classes that only hold values are let through, since training scripts save them beside the
weights: numpy's scalars, paths and ``argparse.Namespace``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch

from htmu_diag.matrices.state_dict import Found, state_dict_in
from htmu_diag.matrices.stored import RELEASE_BYTES, NoTensors, StoredTensor, byte_size, opened
from htmu_diag.matrices.torch_archive import load_torch
from htmu_diag.model.tensors import claims, identity_of, read_rows, refusal_of, shape_of, weight_dtype

__all__ = ["torch_tensors"]

_PACKED = re.compile(r"(^|\.)_packed_params\._packed_(params\.0|weight)$")  # the weight of torch.ao's quantised modules


def torch_tensors(path: Path) -> Iterator[StoredTensor]:
    """The tensors of one file, of its nested state dict where it has one. Raises InputError where it has none."""
    file = _Mapped(path)
    for name, tensor in list(file.tensors().items()):
        refusal = refusal_of(tensor) or claims(tensor) or file.left_out(name)
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
                remedy = "save model.state_dict(), alone or under the key 'state_dict' or 'model'"
                raise NoTensors(f"{self.path}: {what}; {remedy}")
            self._tensors = {**found.tensors, **found.beside}
            self._key, self._beside = found.key, frozenset(found.beside)
        return self._tensors

    def _found(self) -> Found:
        with opened(self.path) as file:
            return state_dict_in(load_torch(file, self.path, mmap=True))

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
