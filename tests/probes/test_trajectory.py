import itertools
import math
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from htmu_diag.errors import InputError
from htmu_diag.probes import StepContext, TrajectoryProbe
from htmu_diag.probes.noise import GradientNoise


@pytest.fixture
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))


def trained(net: torch.nn.Module, probe: TrajectoryProbe, steps: int) -> list[dict[str, torch.Tensor]]:
    """Take random steps, observed; gives every state, the first included."""
    context, states = StepContext(step=0, model=net), []
    probe.observe(context)
    for step in range(steps + 1):
        states.append({name: parameter.detach().clone() for name, parameter in net.named_parameters()})
        with torch.no_grad():
            for parameter in net.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
        if step < steps:
            probe.observe(context.at(step + 1))
    return states


@pytest.mark.parametrize("steps", [1, 7, 25])
def test_lengths_are_the_norms_of_the_last_steps(net: torch.nn.Module, steps: int) -> None:
    probe = TrajectoryProbe(window=10)
    states = trained(net, probe, steps)
    found = {s.source.name: s for s in probe.measure(StepContext(step=steps, model=net))}
    pairs = list(itertools.pairwise(states))[-10:]
    for name in ("0.weight", "2.weight"):
        lengths = [float((after[name] - before[name]).norm()) for before, after in pairs]
        np.testing.assert_allclose(found[name].values, sorted(lengths), rtol=1e-5)
        assert found[name].scalars["step_length"] == pytest.approx(lengths[-1], rel=1e-5)
    whole = [math.sqrt(sum(float((a[k] - b[k]).square().sum()) for k in a)) for b, a in pairs]
    np.testing.assert_allclose(found["model"].values, sorted(whole), rtol=1e-5)
    assert set(found) == {"model", "0.weight", "2.weight"}


@pytest.mark.filterwarnings("error")
def test_complex_parameters_have_the_lengths_of_their_real_and_imaginary_parts() -> None:
    net = torch.nn.ParameterDict({"w": torch.nn.Parameter(torch.zeros(3, 4, dtype=torch.complex64))})
    probe, context = TrajectoryProbe(), StepContext(step=0, model=net)
    probe.observe(context)
    for step in (1, 2):
        net.w.grad = torch.full((3, 4), 1 - 1j, dtype=torch.complex64)
        with torch.no_grad():
            net.w += 3 + 4j
        probe.observe(context.at(step))
    found = {(s.source.kind.value, s.source.name): s for s in probe.measure(context.at(2))}
    np.testing.assert_allclose(found["trajectory", "w"].values, [5 * math.sqrt(12)] * 2, rtol=1e-6)
    np.testing.assert_allclose(found["gradient_norm", "model"].values, [math.sqrt(24)] * 2, rtol=1e-6)


def test_nothing_is_measured_before_the_first_step(net: torch.nn.Module) -> None:
    probe = TrajectoryProbe()
    probe.observe(StepContext(step=0, model=net))
    assert list(probe.measure(StepContext(step=0, model=net))) == []


def test_a_path_begins_anew_when_the_parameters_are_replaced(net: torch.nn.Module) -> None:
    probe = TrajectoryProbe()
    trained(net, probe, 3)
    net[0] = torch.nn.Linear(6, 8)
    probe.observe(StepContext(step=4, model=net))
    assert list(probe.measure(StepContext(step=4, model=net))) == []


def test_a_path_begins_anew_when_the_model_changes_its_type(net: torch.nn.Module) -> None:
    probe = TrajectoryProbe()
    trained(net, probe, 3)
    net.double()
    probe.observe(StepContext(step=4, model=net))
    with torch.no_grad():
        net[0].weight += 1.0
    probe.observe(StepContext(step=5, model=net))
    found = {s.source.name: s for s in probe.measure(StepContext(step=5, model=net))}
    assert found["0.weight"].values.tolist() == pytest.approx([math.sqrt(48)])


class Allocations(TorchDispatchMode):
    """Bytes of the tensors that live at once and were made inside the block; ``known`` ones were there before."""

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        super().__init__()
        self.now = self.most = 0
        self._seen = {tensor.untyped_storage().data_ptr() for tensor in known}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage.data_ptr() not in self._seen and storage.nbytes():
            self._seen.add(storage.data_ptr())
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._free, storage.data_ptr(), storage.nbytes())

    def _free(self, address: int, size: int) -> None:
        self._seen.discard(address)
        self.now -= size


def test_the_path_holds_one_copy_of_the_parameters_and_no_step_makes_another() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(800, 900), torch.nn.Linear(900, 800))
    size = sum(parameter.numel() * 4 for parameter in net.parameters())
    probe = TrajectoryProbe(window=10, coordinates=1000)
    with Allocations(net.parameters()) as kept:
        probe.observe(StepContext(step=0, model=net))
    net(torch.randn(4, 800)).square().mean().backward()
    assert probe._path is not None
    gradients = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    with Allocations([*net.parameters(), *gradients, *probe._path._previous]) as more:
        for step in range(1, 4):
            probe.observe(StepContext(step=step, model=net))
        list(probe.measure(StepContext(step=3, model=net)))
    assert size <= kept.most < 1.1 * size
    assert more.most < 0.1 * size


def test_the_noise_scale_is_variance_over_squared_mean() -> None:
    """tr(Sigma)/|G|^2 is known: coordinates with mean 0.5 and standard deviation 2 give 16."""
    torch.manual_seed(1)
    parameter = torch.zeros(40, 50)
    noise = GradientNoise([parameter])
    for _ in range(200):
        noise.observe([0.5 + 2.0 * torch.randn_like(parameter)])
    assert noise.take().scale() == pytest.approx(16.0, rel=0.05)


def test_each_layer_has_a_noise_scale_of_its_own_and_their_sums_are_the_whole() -> None:
    torch.manual_seed(0)
    loud, calm = torch.zeros(4000), torch.zeros(6000)
    noise = GradientNoise([loud, calm])
    for _ in range(200):
        noise.observe([0.5 + 2.0 * torch.randn_like(loud), 0.5 + 0.5 * torch.randn_like(calm)])
    seen = noise.take()
    assert seen.scale([0]) == pytest.approx(16.0, rel=0.05)
    assert seen.scale([1]) == pytest.approx(1.0, rel=0.05)
    assert seen.scale() == pytest.approx((4000 * 4 + 6000 * 0.25) / (10000 * 0.25), rel=0.05)


def test_a_sample_of_coordinates_gives_the_same_noise_scale() -> None:
    torch.manual_seed(2)
    parameters = [torch.zeros(300, 300), torch.zeros(1000)]
    sampled, whole = GradientNoise(parameters, 5000), GradientNoise(parameters, 10**6)
    for _ in range(50):
        gradients: list[torch.Tensor | None] = [1 + torch.randn_like(parameter) for parameter in parameters]
        sampled.observe(gradients)
        whole.observe(gradients)
    assert sampled.take().scale() == pytest.approx(whole.take().scale(), rel=0.05)


def test_pure_noise_without_a_mean_gives_no_finite_scale_that_is_small() -> None:
    torch.manual_seed(3)
    noise = GradientNoise([torch.zeros(1000)])
    for _ in range(20):
        noise.observe([torch.randn(1000)])
    scale = noise.take().scale()
    assert math.isnan(scale) or scale > 100


def test_taking_begins_a_new_window() -> None:
    noise = GradientNoise([torch.zeros(3)])
    noise.observe([torch.ones(3)])
    noise.take()
    assert noise.take().n == 0


def test_a_window_of_one_step_is_refused() -> None:
    with pytest.raises(InputError, match="window = 1"):
        TrajectoryProbe(window=1)
