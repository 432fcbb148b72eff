"""What a reader of a checkpoint format must be: every tensor once, whole and by rows; bad files in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import torch

from htmu_diag.errors import InputError
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.model.torch_values import as_tensor
from htmu_diag.testing.demand import attempt, demand

__all__ = ["check_format"]


def check_format(
    read: Callable[[Path], Iterable[StoredTensor]], path: Path, expected: Mapping[str, torch.Tensor]
) -> None:
    """Read the file at ``path``, which holds ``expected``; then a file that is cut short, which must be refused."""
    path = Path(path)
    demand(path.is_file(), read, f"there is no file {path}; write one that holds what you expect")
    with attempt(read, f"read({path.name})", "it must yield a StoredTensor for each tensor of the file"):
        tensors = list(read(path))
    for one in tensors:
        demand(isinstance(one, StoredTensor), read, f"yields a {type(one).__name__}, no StoredTensor")
        demand(isinstance(one.name, str), read, f"yields a name that is no text: {one.name!r}")
    found = {stored.name: stored for stored in tensors}
    demand(len(found) == len(tensors), read, f"yields a name twice: {sorted(stored.name for stored in tensors)}")
    demand(found.keys() == expected.keys(), read, f"names {sorted(found)} instead of {sorted(expected)}")
    for name, tensor in expected.items():
        stored = found[name]
        demand(tuple(stored.shape) == tuple(tensor.shape), read, f"{name}: shape {stored.shape}")
        demand(str(stored.dtype) == str(tensor.dtype), read, f"{name}: {stored.dtype} instead of {tensor.dtype}")
        demand(_equal(_load(read, stored, slice(None)), tensor), read, f"{name}: other values than were stored")
        if tensor.ndim and tensor.shape[0] > 1:
            rows = slice(1, tensor.shape[0])
            demand(_equal(_load(read, stored, rows), tensor[rows]), read, f"{name}: other rows than were asked for")
    _check_damaged(read, path)


def _load(read: object, stored: StoredTensor, rows: slice) -> torch.Tensor:
    call = f"{stored.name}: load({rows})"
    with attempt(read, call, "it must give these rows as a tensor or an array of numpy"):
        values: object = stored.load(rows)
    if not isinstance(values, torch.Tensor | np.ndarray):
        raise AssertionError(f"{type(read).__name__}: {call} gives a {type(values).__name__}, no tensor and no array")
    return as_tensor(values)


def _equal(one: torch.Tensor, other: torch.Tensor) -> bool:
    """The same values; NaN where NaN was stored."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _check_damaged(read: Callable[[Path], Iterable[StoredTensor]], path: Path) -> None:
    whole = path.read_bytes()
    damaged = path.with_name(f"cut-{path.name}")
    damaged.write_bytes(whole[: len(whole) // 2])
    try:
        with attempt(read, "half a file", "raise InputError with its name", but=InputError):
            for stored in read(damaged):
                stored.load(slice(None))
    except InputError as error:
        demand(path.name in str(error), read, f"the sentence about a damaged file does not name it: {error}")
    else:
        demand(False, read, "half a file is read as if it were whole; raise InputError")
    finally:
        damaged.unlink()
