"""Copies for the worker: on a CPU for real, on a GPU the order of calls alone, with a stand-in for ``torch.cuda``."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode

from htmu_diag.probes import copies
from htmu_diag.probes.copies import copy_of, own


def test_a_copy_keeps_its_values_while_the_weights_move() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 2).T)
    copy = copy_of(weight)
    weight.data.zero_()
    with copy.usable() as tensor:
        assert tensor.sum() == 6
        assert tensor.is_contiguous()
        assert not tensor.requires_grad


def test_a_tensor_of_ones_own_is_not_copied() -> None:
    tensor = torch.ones(2)
    with own(tensor).usable() as same:
        assert same is tensor


class FakeCuda:
    """Streams and events that write down what is asked of them, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.streams = 0
        self.current = "training"
        self.free, self.fraction = 100, 1.0

    def event(self) -> Any:
        calls = self.calls

        class Event:
            def record(self, stream: str) -> None:
                calls.append(f"event recorded on {stream}")

            def synchronize(self) -> None:
                calls.append("host waits")

        return Event()

    def stream_of(self, device: torch.device) -> Any:
        self.streams += 1
        calls, number = self.calls, self.streams

        class Stream:
            name = f"side {number} of {device}"

            def wait_event(self, event: object) -> None:
                calls.append(f"{self.name} waits")

        return Stream()

    @contextlib.contextmanager
    def entered(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream.name
        yield
        self.current = before


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCuda]:
    fake = FakeCuda()
    copies._side_stream.cache_clear()
    monkeypatch.setattr(torch.cuda, "Event", fake.event)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (fake.free, 200))
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device: fake.fraction, raising=False)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 50)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 40)
    monkeypatch.setattr(torch.cuda, "Stream", fake.stream_of)
    monkeypatch.setattr(torch.cuda, "stream", fake.entered)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"{fake.current} of {device}")
    held = lambda tensor, stream: fake.calls.append(f"memory held for {stream.name}")  # noqa: E731
    monkeypatch.setattr(torch.Tensor, "record_stream", held)
    yield fake
    copies._side_stream.cache_clear()


def test_a_side_stream_waits_for_the_copy_and_holds_its_memory(cuda: FakeCuda) -> None:
    with FakeTensorMode():
        first, second = (copy_of(torch.empty(4, 2, device="cuda:1")) for _ in range(2))
    assert cuda.calls == ["event recorded on training of cuda:1"] * 2
    for copy in (first, second):
        with copy.usable():
            cuda.calls.append(f"work on {cuda.current}")
    side = "side 1 of cuda:1"
    assert cuda.calls[2:] == [f"{side} waits", f"memory held for {side}", f"work on {side}"] * 2
    assert cuda.current == "training"
    assert cuda.streams == 1


@pytest.mark.parametrize(
    ("free", "fraction", "device"), [(74, 1, "cuda:1"), (73, 1, "cpu"), (100, 0.58, "cuda:1"), (100, 0.57, "cpu")]
)
def test_a_copy_without_room_on_the_device_goes_to_pinned_memory(
    free: int, fraction: float, device: str, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """32 bytes, as much again to work with, and a tenth of 200 to spare; 10 lie unused in the allocator.

    Where this process may have 116 of them (114), 76 (74) are left of these, and a tenth of them is to spare.
    """
    pinned = []
    empty = torch.empty

    def unpinned(*shape: Any, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        pinned.append(pin_memory)
        return empty(*shape, **options)

    with FakeTensorMode():
        weight = torch.empty(4, 2, device="cuda:1")
        cuda.free, cuda.fraction = free, fraction
        monkeypatch.setattr(torch, "empty", unpinned)
        copy = copy_of(weight)
    assert copy.tensor.device == torch.device(device)
    assert cuda.calls == ["event recorded on training of cuda:1"]
    if device == "cpu":
        assert pinned == [True]
        with copy.usable():
            assert cuda.calls[1:] == ["host waits"]
            assert cuda.current == "training"
