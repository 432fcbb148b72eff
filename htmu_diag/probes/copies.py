"""Copies of a model's matrices, so that they can be decomposed elsewhere while the training goes on.

On a GPU the copy is made on the training's own stream (in order, without waiting) and used on a side stream that waits
for it: neither the host nor the training's stream is held up. Where the device has no room for it the copy goes to
pinned memory of the host, in order as well: a snapshot must not take the memory that a training needs. A device has one
side stream, since the allocator and cuBLAS keep memory for every stream that was used. The order of the calls is tested
everywhere, with a stand-in for ``torch.cuda``; what they do, by `tests/gpu` on a device.
"""

from __future__ import annotations

import _thread
import contextlib
import functools
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from htmu_diag.operators.memory import device_bytes
from htmu_diag.probes.capturing import beside_captures

__all__ = ["Copy", "Room", "Slab", "copy_of", "own"]

_LINE = 64  # bytes; where torch lets its tensors begin
_SLAB, _SNAPSHOTS = 2**23, 8  # bytes and snapshots of one array, where it is not filled by one
_SPARE = 2  # arrays that are kept for the next snapshots
_AHEAD, _PAGE = 2**24, 4096  # bytes: of larger arrays copying takes long by itself


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
                with beside_captures():
                    self.ready.synchronize()
            yield self.tensor
            return
        stream = _side_stream(self.tensor.device)
        with beside_captures(), torch.cuda.stream(stream):
            stream.wait_event(self.ready)
            self.tensor.record_stream(stream)
            yield self.tensor


class Room:
    """Bytes of each device that copies may take: asked for once, since asking takes a tenth of a millisecond."""

    def __init__(self) -> None:
        self._left: dict[torch.device, int] = {}

    def takes(self, tensor: torch.Tensor) -> bool:
        """Whether a copy and as much again to work with leave a tenth of the device free; then it is counted."""
        if tensor.device not in self._left:
            self._left[tensor.device] = _spare(tensor.device)
        fits = 2 * tensor.nbytes <= self._left[tensor.device]
        self._left[tensor.device] -= tensor.nbytes if fits else 0
        return fits


def copy_of(tensor: torch.Tensor, room: Room | None = None) -> Copy:
    """A detached copy, in the order of the device's current stream; on the host where the device has no room for it."""
    tensor = tensor.detach()
    if tensor.device.type != "cuda" or (room or Room()).takes(tensor):
        return own(tensor.clone(memory_format=torch.contiguous_format))
    host = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu", pin_memory=True)
    host.copy_(tensor, non_blocking=True)
    return Copy(host, _event(tensor.device))


class Slab:
    """Memory of the host for many small copies, each of which begins on a full line of the cache, as a tensor does.

    Arrays that are used again once the last copy in them is gone: the system gives new memory page by page, which takes
    a training's thread 1.7 ms for 2.6 MB where copying takes 0.2. While snapshots queue there is none to use again:
    then one array is made ahead, whose pages another thread asks for.
    """

    def __init__(self) -> None:
        self._free = torch.empty(0, dtype=torch.uint8, device="cpu")
        self._spare: list[npt.NDArray[np.uint8]] = []
        self._lent: set[int] = set()  # ids of the arrays with copies in them

    def copies(self, tensors: Sequence[torch.Tensor]) -> list[Copy]:
        """Of detached tensors on the host, by one call for those of one precision."""
        copies: dict[int, torch.Tensor] = {}
        for dtype in {tensor.dtype: None for tensor in tensors}:
            places = [at for at, tensor in enumerate(tensors) if tensor.dtype == dtype]
            here = [tensors[at] for at in places]
            made = self._like(here, dtype)
            torch._foreach_copy_(made, here)
            copies |= zip(places, made, strict=True)
        return [Copy(copies[at]) for at in range(len(tensors))]

    def _like(self, tensors: Sequence[torch.Tensor], dtype: torch.dtype) -> list[torch.Tensor]:
        line = _LINE // dtype.itemsize
        sizes = [tensor.numel() for tensor in tensors]
        parts = self._room(sum(-(-size // line) * _LINE for size in sizes)).view(dtype)
        lines = torch.split(parts, [-(-size // line) * line for size in sizes])
        return [
            (part if part.numel() == size else part[:size]).view(tensor.shape)
            for part, size, tensor in zip(lines, sizes, tensors, strict=True)
        ]

    def _room(self, size: int) -> torch.Tensor:
        if size > self._free.numel():
            self._free = self._free[:0].clone()  # an array without copies comes back
            length = max(size, min(_SNAPSHOTS * size, _SLAB)) + _LINE
            array = self._spare.pop() if self._spare else self._new(length)
            if array.size < size + _LINE:
                array = self._new(length)
            if self._lent and not self._spare and length <= _AHEAD:
                self._make_ahead(length)
            lent = array[-array.ctypes.data % _LINE :]  # torch holds it for as long as any part is used
            weakref.finalize(lent, self._take_back, array).atexit = False
            self._lent.add(id(array))
            self._free = torch.from_numpy(lent)
        room, self._free = self._free[:size], self._free[size:]
        return room

    def _make_ahead(self, length: int) -> None:
        with contextlib.suppress(RuntimeError):  # no more threads: its pages come one by one
            _thread.start_new_thread(self._take_touched, (self._new(length),))

    def _take_touched(self, array: npt.NDArray[np.uint8]) -> None:
        array[::_PAGE] = 0
        self._take_back(array)

    def _new(self, size: int) -> npt.NDArray[np.uint8]:
        """By torch: numpy asks for large pages, of which one takes 0.2 ms, or 5."""
        array: npt.NDArray[np.uint8] = torch.empty(size, dtype=torch.uint8, device="cpu").numpy()
        return array

    def _take_back(self, array: npt.NDArray[np.uint8]) -> None:
        self._lent.discard(id(array))
        if len(self._spare) < _SPARE:
            self._spare.append(array)


def own(tensor: torch.Tensor) -> Copy:
    """A tensor that nothing else will write to, taken as it will be once the current stream has come so far."""
    return Copy(tensor, _event(tensor.device) if tensor.device.type == "cuda" else None)


def _event(device: torch.device) -> Any:
    """Recorded on the device's current stream."""
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event


def _spare(device: torch.device) -> int:
    """Bytes that are free, above a tenth of what this process may have."""
    free, allowed = device_bytes(device)
    return free - allowed // 10


@functools.cache
def _side_stream(device: torch.device) -> Any:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
