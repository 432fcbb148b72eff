import itertools
import math

import numpy as np
import pytest
import torch

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


def test_the_noise_scale_is_variance_over_squared_mean() -> None:
    """tr(Sigma)/|G|^2 is known: coordinates with mean 0.5 and standard deviation 2 give 16."""
    torch.manual_seed(1)
    parameter = torch.zeros(40, 50)
    noise = GradientNoise([parameter])
    for _ in range(200):
        noise.observe([0.5 + 2.0 * torch.randn_like(parameter)])
    assert noise.take().scale() == pytest.approx(16.0, rel=0.05)


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
    with pytest.raises(InputError, match="window=1"):
        TrajectoryProbe(window=1)
