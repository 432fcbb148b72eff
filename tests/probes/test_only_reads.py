"""A snapshot that only copies memory takes the short way, and finds what the long way finds."""

import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from htmu_diag.matrices import matrices
from htmu_diag.probes import StepContext, WeightsProbe, left_as_found
from htmu_diag.probes.copies import Slab
from htmu_diag.probes.starts import Starts
from htmu_diag.ranks.share import Share
from htmu_diag.solvers import matrix_spectrum


def model() -> Any:
    torch.manual_seed(0)
    net: Any = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Conv2d(2, 3, 3), torch.nn.MultiheadAttention(8, 2))
    net.add_module("tied", torch.nn.Linear(6, 5, bias=False))
    net.tied.weight = net[0].weight
    return net.append(torch.nn.Linear(4, 7, dtype=torch.float64))


def trained(net: Any) -> None:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.5).add_(0.01)


def measured(probe: WeightsProbe, net: Any, step: int) -> list[Any]:
    context = StepContext(step, net)
    with left_as_found([probe], context):
        return list(probe.measure(context))


def values(spectra: list[Any]) -> list[tuple[str, bytes]]:
    return [(s.source.name, s.values.tobytes()) for s in spectra]


def test_the_short_way_finds_what_a_listing_finds() -> None:
    net, probe = model(), WeightsProbe()
    assert not probe.only_reads(StepContext(0, net))
    measured(probe, net, 0)
    for step in (1, 2):
        trained(net)
        assert probe.only_reads(StepContext(step, net))
        found = measured(probe, net, step)
        assert values(found) == values([matrix_spectrum(matrix) for matrix in matrices(net, min_side=2)])
        assert all(s.scalars["distance"] > 0 and s.source.step == step for s in found)


def test_it_changes_nothing_and_asks_for_no_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    net, probe = model(), WeightsProbe()
    measured(probe, net, 0)
    monkeypatch.setattr(sys.modules[left_as_found.__module__], "quiet", None)
    grads = [torch.ones_like(parameter) for parameter in net.parameters()]
    for parameter, grad in zip(net.parameters(), grads, strict=True):
        parameter.grad = grad
    before, state = [p.detach().clone() for p in net.parameters()], torch.get_rng_state()
    assert len(measured(probe, net, 1)) == len(matrices(net, min_side=2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is grad for p, grad in zip(net.parameters(), grads, strict=True))
    assert all(map(torch.equal, net.parameters(), before))


CHANGES: dict[str, Callable[[Any], object]] = {
    "a parametrisation": lambda net: torch.nn.utils.parametrizations.spectral_norm(net[0]),
    "a frozen weight": lambda net: net[0].weight.requires_grad_(False),
    "other memory": lambda net: setattr(net[0].weight, "data", torch.randn(5, 6)),
    "another layer": lambda net: net.append(torch.nn.Linear(3, 4)),
    "a large layer": lambda net: net.append(torch.nn.Linear(1025, 1024)),
}


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_model_that_changed_takes_the_long_way(change: str) -> None:
    net, probe = model(), WeightsProbe()
    measured(probe, net, 0)
    CHANGES[change](net)
    assert not probe.only_reads(StepContext(1, net))
    measured(probe, net, 1)
    trained(net)
    assert probe.only_reads(StepContext(2, net)) is (change in ("other memory", "another layer"))


def test_ranks_that_share_the_work_take_the_long_way() -> None:
    net, probe = model(), WeightsProbe()
    measured(probe, net, 0)
    assert not probe.only_reads(StepContext(1, net, share=Share(0, 2)))


def test_copies_are_apart_from_each_other_and_from_the_model() -> None:
    sizes = ((5, 6), (1, 1), (7, 3), (128, 128))
    types = (torch.float32, torch.bfloat16, torch.float64, torch.float32)
    tensors = [torch.randn(size).to(dtype) for size, dtype in zip(sizes, types, strict=True)]
    tensors.append(torch.randn(4, 9).mT)
    slab = Slab()
    first, second = slab.copies(tensors), slab.copies(tensors)
    for tensor, one, other in zip(tensors, first, second, strict=True):
        assert one.tensor.is_contiguous()
        assert one.tensor.data_ptr() % 64 == 0
        other.tensor.fill_(2)
        assert torch.equal(one.tensor, tensor)
        tensor.zero_()
    assert all(bool((copy.tensor == 2).all()) for copy in second)


def test_memory_is_used_again_when_no_copy_is_left_in_it() -> None:
    slab, tensors = Slab(), [torch.randn(2048, 1024)]
    first = slab.copies(tensors)
    kept, places = first[0].tensor[3:].numpy(), [first[0].tensor.data_ptr()]
    del first
    places += [slab.copies(tensors)[0].tensor.data_ptr() for _ in range(3)]  # of which each fills an array
    assert places[0] not in places[1:]
    assert len(set(places)) < 4
    assert (kept == tensors[0][3:].numpy()).all()


def test_distances_of_several_are_those_of_each_to_the_last_bit() -> None:
    together, alone = Starts(), Starts()
    types = [torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.float32]
    first = [torch.randn(20 + i, 300).to(dtype) for i, dtype in enumerate(types)]
    first[4] = torch.randn(300, 300)  # of which a sample is kept
    names = [str(i) for i in range(len(types))]
    for step in (0, 3):
        now = [matrix * (1 + step) + step / 7 for matrix in first]
        found = together.distances([*names, "new"], [*now, first[0]], 3 * bool(step))
        each = [alone.distance(name, matrix, step) for name, matrix in zip(names, now, strict=True)]
        assert found[:-1] == each
    assert found[-1] == {"distance": 0.0}


def test_what_is_decomposed_together_is_the_same_both_ways() -> None:
    """Also after a step at which vectors were looked at, each matrix by itself."""
    net, probe = model(), WeightsProbe(vectors=[1])
    long_way = [pending.alike for pending in probe.capture(StepContext(0, net))]
    assert len({alike for alike in long_way if alike}) > 1
    for step, alike in ((1, [None] * len(long_way)), (2, long_way), (3, long_way)):
        assert probe.only_reads(StepContext(step, net))
        assert [pending.alike for pending in probe.capture(StepContext(step, net))] == alike


def test_while_snapshots_queue_an_array_is_made_ahead() -> None:
    slab, tensors = Slab(), [torch.randn(2048, 1024)]  # which fills an array
    queue = [slab.copies(tensors)]
    assert not slab._spare  # a snapshot alone has none to wait for
    for _ in range(3):
        queue.append(slab.copies(tensors))
        until = time.monotonic() + 30
        while not slab._spare and time.monotonic() < until:
            time.sleep(0.001)
        assert len(slab._spare) == 1
    assert all(torch.equal(copies[0].tensor, tensors[0]) for copies in queue)
    assert len({copies[0].tensor.data_ptr() for copies in queue}) == len(queue)
