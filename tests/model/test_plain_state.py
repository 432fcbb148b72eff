"""Modules with state outside of parameters and buffers train on as if nothing had been measured."""

import collections
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import htmu_diag
from htmu_diag.model.quiet import quiet


class Stateful(torch.nn.Module):
    """Its forward draws from what it owns, counts, and remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(6, 4)
        self.torch_rng = torch.Generator().manual_seed(1)
        self.numpy_rng = np.random.default_rng(2)
        self.old_numpy_rng = np.random.RandomState(3)
        self.python_rng = random.Random(4)
        self.calls = 0
        self.scale: float | None = None
        self.seen: list[float] = []
        self.nested: dict[str, Any] = {"by": [collections.deque([0.0], maxlen=3)], "rngs": (random.Random(5),)}
        self.kinds: set[int] = set()
        self.mean = torch.zeros(())  # a tensor that nobody registered
        self.table = np.zeros(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.seen.append(float(self.calls))
        self.nested["by"][0].append(float(self.calls))
        self.kinds.add(self.calls % 7)
        self.mean += 0.1
        self.table[0] += 1
        noise = torch.randn(x.shape, generator=self.torch_rng)
        drawn = self.numpy_rng.random() + self.old_numpy_rng.rand() + self.python_rng.random()
        self.scale = drawn + float(self.mean) + float(self.table[0]) / 100 + self.nested["by"][0][0] / 100
        self.last_input = x
        return self.linear(x + 0.1 * noise) * self.scale


def losses(measure: Callable[[Stateful, torch.optim.Optimizer], Any]) -> list[float]:
    torch.manual_seed(0)
    model = Stateful()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(8, 6), torch.randint(0, 4, (8,))
    found = []
    with measure(model, optimizer):
        for _ in range(5):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
    found += [float(model.calls), float(len(model.seen)), *model.nested["by"][0], float(model.numpy_rng.random())]
    return found


def test_a_training_with_state_of_its_own_is_the_same_beside_every_probe(tmp_path: Path) -> None:
    batch = torch.randn(16, 6, generator=torch.Generator().manual_seed(9)), torch.arange(16) % 4
    probes = ["weights", "hessian", "gradient_noise", "conjugate_kernel"]

    def watched(model: Stateful, optimizer: torch.optim.Optimizer) -> htmu_diag.Monitor:
        loss = torch.nn.functional.cross_entropy
        choices = {"every": 2, "probes": probes, "batch": batch, "loss_fn": loss, "sinks": ()}
        return htmu_diag.watch(model, optimizer, log_dir=tmp_path, **choices)

    alone = losses(lambda model, optimizer: torch.enable_grad())
    assert losses(watched) == alone


def test_what_is_added_goes_and_what_is_removed_comes_back() -> None:
    model = Stateful()
    before = dict(vars(model))
    seen, queue = model.seen, model.nested["by"][0]
    with quiet(model):
        model(torch.randn(3, 6))
        del model.calls
        model.seen = []
        model.nested.clear()
    assert vars(model).keys() == before.keys()
    assert all(vars(model)[name] is value for name, value in before.items())
    assert model.seen is seen
    assert seen == []
    assert model.nested["by"][0] is queue
    assert list(queue) == [0.0]
    assert not hasattr(model, "last_input")


def test_without_it_the_training_would_differ() -> None:
    def peeking(model: Stateful, optimizer: torch.optim.Optimizer) -> Any:
        model(torch.zeros(1, 6))
        return torch.enable_grad()

    assert losses(peeking) != losses(lambda model, optimizer: torch.enable_grad())
