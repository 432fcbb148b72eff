"""The learning rate is a function of the step: warm-up, then the schedule."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from htmu_diag.config import OptimizerConfig
from htmu_diag.training.models import MLP
from htmu_diag.training.optimizers import build_optimizer, learning_rate, set_learning_rate


@pytest.mark.parametrize(("schedule", "middle"), [("constant", 1.0), ("linear", 0.5), ("cosine", 0.5)])
def test_the_schedule_starts_at_the_peak_and_passes_its_middle(schedule: str, middle: float) -> None:
    config = OptimizerConfig(lr=0.2, schedule=schedule)  # type: ignore[arg-type]
    assert learning_rate(config, 0, 100) == 0.2
    assert learning_rate(config, 50, 100) == pytest.approx(0.2 * middle)


def test_the_warm_up_rises_to_the_peak_without_a_zero_step() -> None:
    config = OptimizerConfig(lr=1.0, schedule="constant", warmup=4)
    assert [learning_rate(config, step, 10) for step in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_the_last_step_still_moves() -> None:
    assert learning_rate(OptimizerConfig(schedule="cosine"), 99, 100) > 0


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_every_group_gets_the_rate(name: str) -> None:
    optimizer = build_optimizer(OptimizerConfig(name=name), torch.nn.Linear(2, 2))  # type: ignore[arg-type]
    set_learning_rate(optimizer, 0.125)
    assert [group["lr"] for group in optimizer.param_groups] == [0.125]


def test_muon_takes_the_hidden_matrices_and_adamw_the_rest() -> None:
    torch.manual_seed(0)
    model = MLP(6, (8, 8), 3, "relu")
    optimizer = build_optimizer(OptimizerConfig(name="muon", lr=0.02, momentum=0.9), model)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = [[names[id(p)] for p in group["params"]] for group in optimizer.param_groups]
    assert groups[0] == ["fc1.weight", "fc2.weight"]
    assert len(groups[1]) == 4  # three biases and the last matrix
    before = model.fc2.weight.detach().clone()
    model(torch.randn(5, 6)).square().sum().backward()
    optimizer.step()
    step = torch.linalg.svdvals(before - model.fc2.weight.detach())
    assert float(step[0] / step[3]) < 3  # an orthogonalised step; the gradient itself has rank 5 and decays


def test_muon_goes_on_from_its_own_state() -> None:
    def trained(steps: int, state: dict[str, Any] | None, model: MLP) -> dict[str, Any]:
        optimizer = build_optimizer(OptimizerConfig(name="muon", lr=0.02), model)
        if state is not None:
            optimizer.load_state_dict(state)
        set_learning_rate(optimizer, 0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            model(inputs).square().sum().backward()
            optimizer.step()
        return optimizer.state_dict()

    inputs = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    once = MLP(6, (8, 8), 3, "relu")
    twice = copy.deepcopy(once)
    trained(6, None, once)
    trained(3, trained(3, None, twice), twice)
    assert all(torch.equal(a, b) for a, b in zip(once.parameters(), twice.parameters(), strict=True))
