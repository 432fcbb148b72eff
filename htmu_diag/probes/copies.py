"""Copies of a model's matrices, so that they can be decomposed elsewhere while the training goes on.

On a GPU the copy is made on the training's own stream (in order, without waiting) and used on a side stream that waits
for it: neither the host nor the training's stream is held up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Copy", "copy_of"]


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
        stream = torch.cuda.Stream(self.tensor.device)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(stream):
            stream.wait_event(self.ready)
            self.tensor.record_stream(stream)
            yield self.tensor


def copy_of(tensor: torch.Tensor) -> Copy:
    """A detached copy on the same device, in the order of the device's current stream."""
    copy = tensor.detach().clone(memory_format=torch.contiguous_format)
    if copy.device.type != "cuda":
        return Copy(copy)
    ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
    ready.record(torch.cuda.current_stream(copy.device))
    return Copy(copy, ready)
