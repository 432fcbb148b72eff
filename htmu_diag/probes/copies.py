"""Copies of a model's matrices, so that they can be decomposed elsewhere while the training goes on.

On a GPU the copy is made on the training's own stream (in order, without waiting) and used on a side stream that waits
for it: neither the host nor the training's stream is held up. Where the device has no room for it the copy goes to
pinned memory of the host, in order as well: a snapshot must not take the memory that a training needs. A device has one
side stream, since the allocator and cuBLAS keep memory for every stream that was used. No GPU was at hand for this
module: the order of its calls is tested, with a stand-in for ``torch.cuda``; its speed, and the copies' overlap with a
training, have not been measured.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Copy", "copy_of", "own"]


@dataclass(frozen=True)
class Copy:
    """A tensor of its own, and (of a GPU's tensor) the event after which it holds the values."""

    tensor: torch.Tensor
    ready: Any = None

    @contextlib.contextmanager
    def usable(self) -> Iterator[torch.Tensor]:
        """Gives the tensor inside a block whose work runs on a side stream; on the CPU the tensor, once it is there."""
        if self.tensor.device.type != "cuda":
            if self.ready is not None:
                self.ready.synchronize()
            yield self.tensor
            return
        stream = _side_stream(self.tensor.device)
        with torch.cuda.stream(stream):
            stream.wait_event(self.ready)
            self.tensor.record_stream(stream)
            yield self.tensor


def copy_of(tensor: torch.Tensor) -> Copy:
    """A detached copy, in the order of the device's current stream; on the host where the device has no room for it."""
    tensor = tensor.detach()
    if tensor.device.type != "cuda" or _has_room(tensor):
        return own(tensor.clone(memory_format=torch.contiguous_format))
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    return Copy(host, _event(tensor.device))


def own(tensor: torch.Tensor) -> Copy:
    """A tensor that nothing else will write to, taken as it will be once the current stream has come so far."""
    return Copy(tensor, _event(tensor.device) if tensor.device.type == "cuda" else None)


def _event(device: torch.device) -> Any:
    """Recorded on the device's current stream."""
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event


def _has_room(tensor: torch.Tensor) -> bool:
    """Whether a copy and as much again to work with leave a tenth of the device free."""
    free, total = torch.cuda.mem_get_info(tensor.device)
    cached = torch.cuda.memory_reserved(tensor.device) - torch.cuda.memory_allocated(tensor.device)
    return free + cached - 2 * tensor.nbytes >= total / 10


@functools.cache
def _side_stream(device: torch.device) -> Any:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
