"""Copies taken in the training's stream and used on another one, on a real device."""

import pytest
import torch

from htmu_diag.probes import StepContext, WeightsProbe, copies
from htmu_diag.probes.copies import copy_of
from tests.gpu.marks import CUDA, GPU

pytestmark = GPU
LONG = 200_000_000  # cycles that the stream is kept busy: about a tenth of a second


def test_a_copy_has_the_values_of_its_place_in_the_stream() -> None:
    """The weights are set late, copied, changed at once: what is seen is what was there when the copy was due."""
    weight = torch.nn.Parameter(torch.zeros(512, 512, device=CUDA))
    torch.cuda._sleep(LONG)
    weight.data.fill_(1.0)
    copy = copy_of(weight)
    weight.data.fill_(2.0)
    with copy.usable() as tensor:
        assert torch.cuda.current_stream() != torch.cuda.default_stream()
        assert float(tensor.mean()) == 1.0
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


def test_taking_copies_waits_for_nothing() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(64, 96, device=CUDA), torch.nn.Linear(96, 32, device=CUDA))
    probe, context = WeightsProbe(), StepContext(0, model)
    list(probe.capture(context))
    done = torch.cuda.Event()
    torch.cuda._sleep(LONG)
    done.record()
    torch.cuda.set_sync_debug_mode("error")
    try:
        pending = list(probe.capture(context))
        assert not done.query()  # the stream is still busy, and the host is here
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [p.compute().dimension for p in pending] == [64, 32]


def test_a_copy_without_room_on_the_device_lies_in_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_spare", lambda device: 0)
    weight = torch.randn(300, 200, device=CUDA)
    expected = weight.cpu()
    torch.cuda._sleep(LONG)
    copy = copy_of(weight)
    weight.zero_()
    assert copy.tensor.is_pinned()
    with copy.usable() as tensor:
        assert torch.equal(tensor, expected)


def test_room_is_what_the_device_has() -> None:
    room, (free, total) = copies.Room(), torch.cuda.mem_get_info()
    assert room.takes(torch.empty(16, device=CUDA))
    quarter = torch.empty(1, device=CUDA).expand(free // 16, 1)  # in float32
    fits = [room.takes(quarter) for _ in range(8)]
    assert fits[0]
    assert not fits[-1]
    assert not room.takes(torch.empty(1, device=CUDA).expand(total // 8, 4))
