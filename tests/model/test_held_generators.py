"""Generators are where they were, wherever a forward pass or a loss has them from."""

import functools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from htmu_diag.model.quiet import quiet

GLOBAL = np.random.default_rng(0)


class Noise:
    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.draw()


class Through(nn.Module):
    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.change(x)


class Named(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + GLOBAL.random()


class Inside:
    def __init__(self, rng: Any) -> None:
        self.held = {"rng": rng}

    def random(self) -> float:
        return float(self.held["rng"].random())


def in_closure(draw: Callable[[], float]) -> Any:
    return lambda x: x + draw()


WAYS: dict[str, Callable[[], Any]] = {
    "bound method": lambda: Noise(np.random.default_rng(0).random),
    "object in an object": lambda: Noise(Inside(np.random.default_rng(0)).random),
    "Python's, in a closure": lambda: in_closure(random.Random(0).random),
    "partial": lambda: functools.partial(lambda rng, x: x + rng.random(), np.random.RandomState(0)),
    "bit generator": lambda: Noise(np.random.Generator(np.random.PCG64(0)).random),
    "torch's, by keyword": lambda: Noise(functools.partial(torch.rand, (), generator=torch.Generator())),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["forward", "loss"])
def test_a_generator_is_where_it_was(way: str, place: str) -> None:
    change = WAYS[way]()
    model = Through(change) if place == "forward" else Through(nn.Identity())
    loss = (lambda outputs, targets: change(outputs).mean()) if place == "loss" else None

    def drawn() -> float:
        outputs = model(torch.zeros(2))
        return float(outputs.mean() if loss is None else loss(outputs, None))

    with quiet(model, loss_fn=loss):
        inside = [drawn() for _ in range(3)]
    assert [drawn() for _ in range(3)] == inside
    assert len(set(inside)) == 3


def test_a_generator_that_a_forward_pass_names_is_where_it_was() -> None:
    model = Named()
    with quiet(model):
        inside = float(model(torch.zeros(1)))
    assert float(model(torch.zeros(1))) == inside
