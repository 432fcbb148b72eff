"""The learning rate is a function of the step: warm-up, then the schedule."""

from __future__ import annotations

import pytest
import torch

from htmu_diag.config import OptimizerConfig
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
