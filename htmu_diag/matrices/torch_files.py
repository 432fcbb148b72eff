"""Tensors of PyTorch files (``.pt``, ``.pth``, ``.bin``): mapped, not loaded, and read without running any code.

``weights_only=True`` refuses a pickle that calls functions; such a file can do anything to the machine that opens it.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from htmu_diag.matrices.stored import RELEASE_BYTES, StoredTensor, byte_size, unreadable
from htmu_diag.matrices.tensors import identity_of, read_rows, refusal_of, weight_dtype

__all__ = ["state_dict_in", "torch_tensors"]

_NESTED = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")


def torch_tensors(path: Path) -> Iterator[StoredTensor]:
    """The tensors of one file, of its nested state dict where it has one. Raises InputError where it has none."""
    file = _Mapped(path)
    for name, tensor in list(file.tensors().items()):
        load = _Load(file, name)
        dtype = weight_dtype(tensor)
        yield StoredTensor(name, tuple(tensor.shape), dtype, load, identity_of(tensor), refusal_of(tensor))


def state_dict_in(loaded: Any) -> dict[str, torch.Tensor]:
    """The tensors of a loaded object by name: those under "state_dict", "model" and the like, or else its own.

    >>> list(state_dict_in({"epoch": 3, "model": {"fc": {"weight": torch.zeros(2, 2)}}}))
    ['fc.weight']
    """
    if not isinstance(loaded, Mapping):
        return {}
    for key in _NESTED:
        inner = state_dict_in(loaded.get(key))
        if inner:
            return inner
    return dict(_flat(loaded, ""))


def _flat(mapping: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    for key, value in mapping.items():
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping) and "optim" not in str(key):
            yield from _flat(value, f"{prefix}{key}.")


class _Mapped:
    """One file, mapped when first needed and mapped anew once `RELEASE_BYTES` of it were read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tensors: dict[str, torch.Tensor] | None = None
        self._read = 0

    def tensors(self) -> dict[str, torch.Tensor]:
        if self._tensors is None:
            self._tensors = state_dict_in(_load(self.path))
            if not self._tensors:
                remedy = "save model.state_dict(), alone or under the key 'state_dict' or 'model'"
                raise unreadable(self.path, "no tensors by name in this file", remedy)
        return self._tensors

    def read(self, name: str, rows: slice) -> torch.Tensor:
        part = read_rows(self.tensors()[name], rows)
        self._read += byte_size(part.shape, part.dtype)
        if self._read > RELEASE_BYTES:
            self._tensors, self._read = None, 0
        return part


class _Load:
    def __init__(self, file: _Mapped, name: str) -> None:
        self.file, self.name = file, name

    def __call__(self, rows: slice) -> torch.Tensor:
        return self.file.read(self.name, rows)


def _load(path: Path) -> Any:
    zipped = zipfile.is_zipfile(path)
    if not zipped and path.open("rb").read(1) != b"\x80":
        raise unreadable(path, "not a PyTorch file, or a truncated one", "pass a file written by torch.save")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        first = str(error).splitlines()[0].split(". ")[0]
        raise unreadable(
            path, f"it needs code to be run, which is refused ({first})", "save model.state_dict() in its place"
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise unreadable(path, f"torch cannot read it ({first})", "pass a whole file written by torch.save") from error
