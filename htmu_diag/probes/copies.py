"""Copies of a model's matrices, so that they can be decomposed elsewhere while the training goes on.

On a GPU the copy is made on the training's own stream (in order, without waiting) and used on a side stream that waits
for it: neither the host nor the training's stream is held up. A device has one side stream, since the allocator and
cuBLAS keep memory for every stream that was used. No GPU was at hand for this module: the order of its calls is tested,
with a stand-in for ``torch.cuda``; its speed, and the copies' overlap with a training, have not been measured.
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
    """A tensor of its own, and (on a GPU) the event after which it holds the values."""

    tensor: torch.Tensor
    ready: Any = None

    @contextlib.contextmanager
    def usable(self) -> Iterator[torch.Tensor]:
        """Gives the tensor inside a block whose work runs on a side stream; on the CPU simply the tensor."""
        if self.ready is None:
            yield self.tensor
            return
        stream = _side_stream(self.tensor.device)
        with torch.cuda.stream(stream):
            stream.wait_event(self.ready)
            self.tensor.record_stream(stream)
            yield self.tensor


def copy_of(tensor: torch.Tensor) -> Copy:
    """A detached copy on the same device, in the order of the device's current stream."""
    return own(tensor.detach().clone(memory_format=torch.contiguous_format))


def own(tensor: torch.Tensor) -> Copy:
    """A tensor that nothing else will write to, taken as it will be once the current stream has come so far."""
    if tensor.device.type != "cuda":
        return Copy(tensor)
    ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
    ready.record(torch.cuda.current_stream(tensor.device))
    return Copy(tensor, ready)


@functools.cache
def _side_stream(device: torch.device) -> Any:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
