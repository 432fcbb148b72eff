"""Tensors of a ``torch.distributed.checkpoint`` folder, each put together from its shards when it is read.

The folder's ``.metadata`` is a pickle. It is read here first by an unpickler that knows only the classes which describe
shards, so that a folder which would run code is refused before torch opens it.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from htmu_diag.matrices.stored import StoredTensor, unreadable

__all__ = ["METADATA", "distributed_tensors"]

METADATA = ".metadata"
_SHARD_MODULES = (
    "torch.distributed.checkpoint.metadata",
    "torch.distributed.checkpoint.filesystem",
    "torch.distributed.checkpoint.storage",
)
_OPTIMIZER = ("optim", "optimizer", "scheduler", "lr_scheduler")


def distributed_tensors(folder: Path) -> Iterator[StoredTensor]:
    """The model's tensors in the folder, without "model." before their names. InputError for a damaged folder."""
    described = _metadata(folder).state_dict_metadata
    tensors = {name: entry for name, entry in described.items() if hasattr(entry, "size")}
    names = [name for name in tensors if name.split(".")[0] not in _OPTIMIZER]
    prefix = _common_prefix(names)
    for name in names:
        shape, dtype = tuple(tensors[name].size), tensors[name].properties.dtype
        yield StoredTensor(name.removeprefix(prefix), shape, dtype, _Load(folder, name, shape, dtype))


def _common_prefix(names: list[str]) -> str:
    for prefix in ("model.", "state_dict.", "module."):
        if names and all(name.startswith(prefix) for name in names):
            return prefix
    return ""


class _Load:
    def __init__(self, folder: Path, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self.folder, self.name, self.shape, self.dtype = folder, name, shape, dtype

    def __call__(self, rows: slice) -> torch.Tensor:
        from torch.distributed.checkpoint.state_dict_loader import load  # not in every build of torch

        tensor = torch.empty(self.shape, dtype=self.dtype)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            load({self.name: tensor}, checkpoint_id=self.folder, no_dist=True)
        return tensor[rows]


class _ShardUnpickler(pickle.Unpickler):
    """Knows the classes that describe shards, and nothing that acts."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if self._harmless(module, name) else None
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return found

    @staticmethod
    def _harmless(module: str, name: str) -> bool:
        if module == "torch":
            return name == "Size" or isinstance(getattr(torch, name, None), torch.dtype)
        plain = {
            ("torch.serialization", "_get_layout"),
            ("pathlib", "PosixPath"),
            ("pathlib", "WindowsPath"),
            ("pathlib._local", "PosixPath"),
            ("collections", "OrderedDict"),
        }
        return module in _SHARD_MODULES or (module, name) in plain


def _metadata(folder: Path) -> Any:
    try:
        with (folder / METADATA).open("rb") as file:
            return _ShardUnpickler(file).load()
    except (pickle.UnpicklingError, EOFError, OSError, AttributeError) as error:
        what = f"its {METADATA} is damaged or needs code to be run ({error})"
        raise unreadable(folder, what, "write it again with torch.distributed.checkpoint.save") from error
