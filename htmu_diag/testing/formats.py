"""What a reader of a checkpoint format must be: every tensor once, whole and by rows; bad files in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch

from htmu_diag.errors import InputError
from htmu_diag.matrices.stored import DAMAGE, StoredTensor
from htmu_diag.testing.demand import demand

__all__ = ["check_format"]


def check_format(
    read: Callable[[Path], Iterable[StoredTensor]], path: Path, expected: Mapping[str, torch.Tensor]
) -> None:
    """Read the file at ``path``, which holds ``expected``; then a file that is cut short, which must be refused."""
    tensors = list(read(path))
    found = {stored.name: stored for stored in tensors}
    demand(len(found) == len(tensors), read, f"yields a name twice: {sorted(stored.name for stored in tensors)}")
    demand(found.keys() == expected.keys(), read, f"names {sorted(found)} instead of {sorted(expected)}")
    for name, tensor in expected.items():
        stored = found[name]
        demand(tuple(stored.shape) == tuple(tensor.shape), read, f"{name}: shape {stored.shape}")
        demand(stored.dtype == tensor.dtype, read, f"{name}: {stored.dtype} instead of {tensor.dtype}")
        demand(torch.equal(stored.load(slice(None)), tensor), read, f"{name}: other values than were stored")
        if tensor.ndim and tensor.shape[0] > 1:
            rows = slice(1, tensor.shape[0])
            demand(torch.equal(stored.load(rows), tensor[rows]), read, f"{name}: other rows than were asked for")
    _check_damaged(read, path)


def _check_damaged(read: Callable[[Path], Iterable[StoredTensor]], path: Path) -> None:
    whole = path.read_bytes()
    damaged = path.with_name(f"cut-{path.name}")
    damaged.write_bytes(whole[: len(whole) // 2])
    try:
        for stored in read(damaged):
            stored.load(slice(None))
    except InputError as error:
        demand(path.name in str(error), read, f"the sentence about a damaged file does not name it: {error}")
    except DAMAGE as error:
        demand(False, read, f"half a file raises {type(error).__name__} ({error}); raise InputError with its name")
    else:
        demand(False, read, "half a file is read as if it were whole; raise InputError")
    finally:
        damaged.unlink()
