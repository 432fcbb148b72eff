"""A listing is kept for as long as the model is the one that was listed."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from htmu_diag.probes import StepContext, WeightsProbe
from htmu_diag.probes.conjugate_kernel import ConjugateKernelProbe
from htmu_diag.probes.listing import structure


def model() -> Any:
    net: Any = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 4))
    net.scaling = {"default": 2.0}  # as an adapter has it
    net.held = [net[0].weight, {"inside": net[2].weight, "times": [2]}]  # as an LSTM has its weights
    return net


def trained(net: Any) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.randn(8, 6)).sum().backward()
    optimizer.step()
    net.eval()
    net.train()


CHANGES: dict[str, Callable[[Any], object]] = {
    "a parameter": lambda net: setattr(net[0], "weight", torch.nn.Parameter(torch.randn(5, 6))),
    "its memory": lambda net: setattr(net[0].weight, "data", torch.randn(5, 6)),
    "its size": lambda net: setattr(net[0].weight, "data", torch.randn(7, 6)),
    "a layer more": lambda net: net.append(torch.nn.Linear(4, 3)),
    "a layer less": lambda net: net.pop(2),
    "a tie": lambda net: setattr(net[2].weight, "data", net[0].weight.data[:4, :5]),
    "a parametrisation": lambda net: torch.nn.utils.parametrizations.weight_norm(net[0]),
    "an adapter's scale": lambda net: net.scaling.update(default=3.0),
    "a number of heads": lambda net: setattr(net[0], "num_heads", 2),
    "a tensor in a list": lambda net: net.held.__setitem__(0, net[2].weight),
    "a tensor in a dict in it": lambda net: net.held[1].update(inside=net[0].weight),
    "a name in that": lambda net: net.held.__setitem__(1, {"there": net[2].weight, "times": [2]}),
    "a number beside it": lambda net: net.held[1]["times"].append(3),
}


def test_training_leaves_the_structure_as_it_was() -> None:
    net = model()
    before = structure(net)
    trained(net)
    assert before is not None
    assert structure(net) == before


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_change_of_what_is_listed_is_seen(change: str) -> None:
    net = model()
    before = structure(net)
    CHANGES[change](net)
    assert structure(net) != before


def test_a_kept_listing_reads_the_weights_as_they_are_now() -> None:
    net, probe = model(), WeightsProbe()
    context = StepContext(step=1, model=net)
    first = probe.inventory(context)
    trained(net)
    assert probe.inventory(context) is first
    assert torch.equal(first.matrices[0].read(), net[0].weight.detach())


def test_a_tensor_of_another_class_is_listed_each_time() -> None:
    class Sharded(torch.nn.Parameter):
        pass

    net = model()
    net[0].weight = Sharded(torch.randn(5, 6))
    assert structure(net) is None


def test_one_glob_is_one_glob_and_not_its_letters() -> None:
    assert WeightsProbe(exclude="2.weight", include="*.weight") == WeightsProbe(
        exclude=("2.weight",), include=("*.weight",)
    )
    assert ConjugateKernelProbe(layers="0").layers == ("0",)
