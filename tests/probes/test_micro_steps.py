"""The noise of the gradients from the backward passes of one step: variance over squared mean, without the drift."""

import copy
import gc
import math
import pickle
from pathlib import Path

import pytest
import torch

import htmu_diag
from htmu_diag.probes import StepContext, TrajectoryProbe
from htmu_diag.probes.micro_steps import MicroMoments, MicroNoise

MEAN, SPREAD = 0.5, 2.0  # of each coordinate of a pass: B_noise is (SPREAD / MEAN)^2 = 16 passes


def pass_into(parameters: list[torch.Tensor], mean: float = MEAN, share: float = 1.0) -> None:
    """A backward pass whose gradient is noise about a mean; share: what the loss is multiplied with."""
    loss = sum((parameter * (mean + SPREAD * torch.randn_like(parameter))).sum() for parameter in parameters)
    (share * loss).backward()


@pytest.mark.parametrize(("signal", "scale"), [(0.25, 6.0), (0.0, math.nan), (-0.25, math.nan)])
def test_a_mean_that_noise_hides_has_no_scale(signal: float, scale: float) -> None:
    moments = MicroMoments(steps=2, passes=4, sums=torch.tensor([[6.0], [2 * signal]]))
    assert moments.scale() == pytest.approx(scale, nan_ok=True)


@pytest.fixture
def parameters() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.zeros(20_000, requires_grad=True), torch.zeros(100, 50, requires_grad=True)]


@pytest.mark.parametrize(("passes", "share"), [(2, 1.0), (4, 0.25), (8, 1.0)])
def test_the_scale_is_variance_over_squared_mean_in_whole_steps(
    parameters: list[torch.Tensor], passes: int, share: float
) -> None:
    noise = MicroNoise(parameters)
    for _ in range(10):
        for _ in range(passes):
            pass_into(parameters, share=share)
        noise.step()
        for parameter in parameters:
            parameter.grad = None
    assert noise.take().scale() == pytest.approx((SPREAD / MEAN) ** 2 / passes, rel=0.1)


def test_a_mean_that_moves_from_step_to_step_is_no_noise(parameters: list[torch.Tensor]) -> None:
    """From step to step its own change of variance 1 would be added to the noise of a step, 4 / 4."""
    noise, means = MicroNoise(parameters), [-1.5, 0.5, 1.5, -0.5]
    for mean in means:
        for _ in range(4):
            pass_into(parameters, mean)
        noise.step()
        for parameter in parameters:
            parameter.grad = None
    signal = sum(mean**2 for mean in means) / len(means)
    assert noise.take().scale() == pytest.approx(SPREAD**2 / signal / 4, rel=0.05)


def test_single_passes_leave_no_scale_and_a_window_ends_when_it_is_taken(parameters: list[torch.Tensor]) -> None:
    noise = MicroNoise(parameters)
    pass_into(parameters)
    noise.step()
    assert math.isnan(noise.take().scale())
    for _ in range(2):
        pass_into(parameters)
    noise.step()
    assert noise.take().steps == 1
    assert noise.take().steps == 0


def test_a_parameter_that_few_passes_reach_is_judged_by_them(parameters: list[torch.Tensor]) -> None:
    """Additive: the whole is the sum of its parts, and a part of one pass adds nothing."""
    noise = MicroNoise(parameters)
    pass_into(parameters)
    pass_into(parameters[:1])
    noise.step()
    found = noise.take()
    assert found.sums[:, 1].tolist() == [0.0, 0.0]
    assert found.scale() == found.scale([0])


def test_the_hooks_go_with_the_object_and_when_it_is_closed(parameters: list[torch.Tensor]) -> None:
    for end in ("close", "forget"):
        noise = MicroNoise(parameters)
        assert all(parameter._post_accumulate_grad_hooks for parameter in parameters)
        if end == "close":
            noise.close()
        del noise
        gc.collect()
        assert not any(parameter._post_accumulate_grad_hooks for parameter in parameters)


def accumulated(model: torch.nn.Module, folder: Path | None, passes: int, steps: int = 4) -> list[torch.Tensor]:
    """The weights after a training on four rows a pass, watched or not."""
    torch.manual_seed(1)
    data = 1 + 0.5 * torch.randn(steps * passes, 4, 12)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    settings = {"trajectory": {"micro_steps": True}}
    monitor = folder and htmu_diag.watch(
        model, optimizer, log_dir=folder, every=2, probes=["trajectory"], settings=settings, verbose=False
    )
    for step in range(steps):
        for rows in data[step * passes : (step + 1) * passes]:
            ((model(rows) - 1).square().mean() / passes).backward()
        optimizer.step()
        optimizer.zero_grad()
    if monitor:
        monitor.close()
        assert not any(parameter._post_accumulate_grad_hooks for parameter in model.parameters())
    return [parameter.detach().clone() for parameter in model.parameters()]


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))


def test_a_run_takes_the_scale_from_its_passes_and_is_not_disturbed(tmp_path: Path) -> None:
    model = network()
    alone, watched = accumulated(copy.deepcopy(model), None, 3), accumulated(model, tmp_path, 3)
    assert all(torch.equal(one, other) for one, other in zip(alone, watched, strict=True))
    pickle.dumps(model)
    scales = htmu_diag.load_run(tmp_path).metrics("noise_scale", kind="trajectory")
    assert scales.values.shape == (2, 3)
    assert (scales.values[1] > 0).all()


def test_the_scale_of_a_run_is_that_of_its_own_passes() -> None:
    """By hand, over the passes of the steps that a probe saw."""
    model, probe = network(), TrajectoryProbe(micro_steps=True)
    parameters, context = list(model.parameters()), StepContext(step=0, model=model)
    probe.observe(context)
    torch.manual_seed(2)
    noise, signal = 0.0, 0.0
    for _ in range(3):
        gradients = []
        for _ in range(4):
            loss = (model(1 + 0.5 * torch.randn(5, 12)) - 1).square().mean()
            gradients.append(
                torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters, retain_graph=True)])
            )
            loss.backward()
        passes = torch.stack(gradients).double()
        noise += float(passes.var(0).sum()) / 3
        signal += float(passes.mean(0).square().sum() - passes.var(0).sum() / 4) / 3
        with torch.no_grad():
            for parameter in parameters:
                parameter -= 0.01 * parameter.grad
        probe.observe(context)
        model.zero_grad()
    whole = next(iter(probe.measure(context)))
    assert whole.source.name == "model"
    assert whole.scalars["noise_scale"] == pytest.approx(noise / signal / 4, rel=1e-3)
