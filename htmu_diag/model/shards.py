"""The whole of a sharded tensor, gathered so that a rank that cannot does not hold up the others.

A gather is a collective. A rank that raises before it, mostly for want of memory, would leave the others waiting in the
process group of the training, whose next collective would then meet ours. So every rank first makes room for the whole,
and all tell each other, on a gloo group of their own with a short time limit, whether they have it: what one rank has
no room for is gathered by none. On the CPU the gather runs on that group as well; on an accelerator, or above 256 MB,
it is the training's own, faster and without that limit, after the room that it needs has been seen to be there.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import torch
import torch.distributed as dist

from htmu_diag.errors import MeasurementError

__all__ = ["Lost", "company", "ranks_of", "whole"]

SECONDS = 5.0  # all ranks read the same matrices in the same order, milliseconds apart
LARGE = 2**28  # bytes; more may take a slow network longer than that
_COMPANIES: WeakKeyDictionary[Any, dict[tuple[int, ...], Company]] = WeakKeyDictionary()


class Lost(MeasurementError):
    """The ranks no longer come together; nothing sharded is read any more."""


def whole(tensor: Any) -> torch.Tensor:
    """The whole of a DTensor. A collective of the ranks of its mesh.

    Raises MeasurementError on all of them where one has no room for it, `Lost` where they do not come together.
    """
    together = company(_ranks(tensor))
    without = together.without(no_room(tensor))
    if without:
        raise MeasurementError(
            f"{_listed(without)} no memory for a whole tensor of {tuple(tensor.shape)}; "
            "measure fewer weights (include=)"
        )
    with together.kept():
        return together.gather(tensor)


def ranks_of(tensors: Sequence[torch.Tensor]) -> tuple[int, ...]:
    """The ranks of the job that hold a part of one of these tensors, those that are not sharded left aside."""
    return tuple(sorted({rank for tensor in tensors if hasattr(tensor, "device_mesh") for rank in _ranks(tensor)}))


def company(ranks: tuple[int, ...]) -> Company:
    """These ranks with a gloo group of their own, the same one as long as the job runs; all must ask for it."""
    known = _COMPANIES.setdefault(dist.group.WORLD, {})
    if ranks not in known:
        known[ranks] = Company(ranks)
    return known[ranks]


class Company:
    """Ranks that hold one model, and what they do together."""

    def __init__(self, ranks: tuple[int, ...]) -> None:
        self.ranks, self._reason = ranks, ""
        self._group = _gloo(ranks)
        self._meshes: dict[tuple[Any, ...], Any] = {}

    def without(self, problem: bool) -> list[int]:
        """The ranks that have a problem."""
        told = torch.zeros(len(self.ranks), dtype=torch.int32, device="cpu")
        told[self.ranks.index(dist.get_rank())] = int(problem)
        with self.kept():
            dist.all_reduce(told, group=self._group)
        return [rank for rank, has in zip(self.ranks, told.tolist(), strict=True) if has]

    def add(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over the ranks, where the tensor lies."""
        total = tensor.detach().to("cpu", copy=True)
        with self.kept():
            dist.all_reduce(total, group=self._group)
        return total.to(tensor.device)

    def gather(self, tensor: Any) -> torch.Tensor:
        """The whole tensor; on the CPU through a group of their own."""
        if tensor.device.type != "cpu" or tensor.numel() * tensor.dtype.itemsize > LARGE:
            return tensor.full_tensor()  # type: ignore[no-any-return]
        from torch.distributed.tensor import DTensor

        spec = {"shape": tensor.shape, "stride": tensor.stride(), "run_check": False}
        mesh = self._host_mesh(tensor.device_mesh)
        return DTensor.from_local(tensor.to_local().detach(), mesh, tensor.placements, **spec).full_tensor()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """A block that all ranks go through: one that cannot leaves for good, so that the others soon hear of it."""
        if self._reason:
            raise Lost(f"the ranks lost each other ({self._reason}); nothing sharded is read any more in this run")
        try:
            yield
        except (RuntimeError, ValueError, MemoryError, OSError) as error:
            self._reason = f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"
            self._leave()
            raise Lost(
                f"a gather of all ranks failed, or one of them did not come to it within {SECONDS:g} s "
                f"({self._reason}); nothing sharded is read any more in this run"
            ) from None

    def _leave(self) -> None:
        group, self._group = self._group, None
        self._meshes.clear()
        with contextlib.suppress(RuntimeError, ValueError):  # already gone with the job
            dist.destroy_process_group(group)

    def _host_mesh(self, mesh: Any) -> Any:
        """The mesh of a tensor over gloo groups of its own."""
        from torch.distributed.device_mesh import DeviceMesh

        key = (*mesh.mesh.shape, *mesh.mesh.flatten().tolist())
        if key not in self._meshes:
            lines = [tuple(dist.get_process_group_ranks(mesh.get_group(place))) for place in range(mesh.ndim)]
            groups = [self._group if line == self.ranks else _gloo(line) for line in lines]
            made = groups if mesh.ndim > 1 else groups[0]
            self._meshes[key] = DeviceMesh.from_group(made, "cpu", mesh=mesh.mesh, mesh_dim_names=_axes(mesh))
        return self._meshes[key]


def _axes(mesh: Any) -> tuple[str, ...]:
    return tuple(f"axis {place}" for place in range(mesh.ndim))


def _gloo(ranks: Sequence[int]) -> Any:
    return dist.new_group(
        list(ranks), backend="gloo", timeout=timedelta(seconds=SECONDS), use_local_synchronization=True
    )


def _ranks(tensor: Any) -> tuple[int, ...]:
    return tuple(sorted(tensor.device_mesh.mesh.flatten().tolist()))


def no_room(tensor: Any) -> bool:
    """Whether this rank cannot hold the whole tensor, twice where pieces are put together in another order."""
    rows = math.prod(tensor.device_mesh.mesh.shape)
    in_order = all(place.is_replicate() or place.is_shard(0) for place in tensor.placements)
    copies = 1 if in_order and tensor.shape and tensor.shape[0] % rows == 0 else 2
    try:
        torch.empty((copies, *tensor.shape), dtype=tensor.dtype, device=tensor.device)
    except (RuntimeError, MemoryError):  # torch.OutOfMemoryError is a RuntimeError
        return True
    return False


def _listed(ranks: Sequence[int]) -> str:
    return f"rank {ranks[0]} has" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))} have"
