"""Modules that a loss runs are found wherever it holds or names them, and odd ones do no harm."""

import collections.abc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch

from htmu_diag.model.loss_modules import loss_modules
from htmu_diag.probes.base import StepContext
from htmu_diag.probes.probe_batch import evaluating

CRITIC = torch.nn.Linear(2, 1)


class Thing:
    """An object with any attributes."""

    a: Any
    b: Any
    data: Any
    held: Any
    net: Any
    proxy: Any


class Slotted:
    __slots__ = ("net",)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return self.net(outputs)


def test_a_module_named_in_nested_code_is_found() -> None:
    assert loss_modules(lambda outputs, targets: sum(CRITIC(x).mean() for x in [outputs])) == (CRITIC,)


def test_a_module_in_a_slot_is_found() -> None:
    trainer = Slotted()
    trainer.net = torch.nn.Linear(2, 1)
    assert loss_modules(trainer.loss) == (trainer.net,)


def test_a_module_is_found_although_a_longer_way_to_it_came_first() -> None:
    held, trainer = Thing(), Thing()
    held.net = torch.nn.Linear(2, 1)
    trainer.a = Thing()
    trainer.a.b = Thing()
    trainer.a.b.held = held
    trainer.held = held
    assert loss_modules(lambda outputs, targets: trainer.held.net(outputs)) == (held.net,)


def test_a_proxy_of_what_is_gone_and_a_closed_mapping_are_passed_by() -> None:
    class Closed(collections.abc.Mapping[str, int]):
        def __len__(self) -> int:
            raise OSError("closed")

        def __iter__(self) -> Any:
            raise OSError("closed")

        def __getitem__(self, key: str) -> int:
            raise OSError("closed")

    gone, trainer = Thing(), Thing()
    trainer.proxy, trainer.data, trainer.net = weakref.proxy(gone), Closed(), CRITIC
    del gone
    assert loss_modules(lambda outputs, targets: trainer.net(outputs)) == (CRITIC,)


ODD: dict[str, Callable[[], Any]] = {
    "frozen": lambda: torch.jit.freeze(torch.jit.script(torch.nn.Linear(2, 2).eval())),
    "exported": lambda: torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),)).module(),
    "lazy": torch.nn.LazyBatchNorm1d,
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ODD)
def test_an_odd_module_of_a_loss_keeps_nothing_from_being_measured(kind: str) -> None:
    odd = ODD[kind]()
    with evaluating(StepContext(0, torch.nn.Linear(2, 2), loss_fn=lambda outputs, targets: odd(outputs))) as model:
        assert not model.training
