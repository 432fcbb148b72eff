"""What a forward pass or a loss draws from and cannot be put back is noticed; what can be is where it was."""

import itertools
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import htmu_diag
from htmu_diag.model.quiet import quiet
from htmu_diag.model.streams import Streams


class Holder:
    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return x + _number(next(self.stream))


class Through(nn.Module):
    def __init__(self, change: Any) -> None:
        super().__init__()
        self.inner, self.change = nn.Linear(3, 2), change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = self.change(self.inner(x))
        return changed


class Counting(nn.Module):
    def __init__(self, stream: Any) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + float(next(self.stream))


def _number(drawn: Any) -> float:
    return float(drawn[0]) if isinstance(drawn, tuple) else float(drawn)


def _noise() -> Iterator[float]:
    value = 0.5
    while True:
        value = value * 3.7 * (1 - value)
        yield value


def _closed_over(stream: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x + _number(next(stream))


STREAMS: dict[str, Callable[[], Any]] = {
    "generator": _noise,
    "count": itertools.count,
    "list_iterator": lambda: iter([1, 2, 3, 4]),
    "enumerate": lambda: enumerate(zip(itertools.count(1), [7, 8, 9], strict=False)),
}


def _drawn_from(stream: Any, times: int) -> Any:
    for _ in range(times):
        next(stream)
    return stream


if sys.version_info < (3, 14):  # later ones do not say where a cycle stands after its first pass
    STREAMS["cycle"] = lambda: _drawn_from(itertools.cycle([1, 2, 3]), 7)


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("hold", [Holder, _closed_over])
def test_an_iterator_that_was_drawn_from_is_noticed(kind: str, hold: Callable[[Any], Any]) -> None:
    model = Through(hold(STREAMS[kind]()))
    streams = Streams(model.modules())
    assert streams.moved == ""
    model(torch.zeros(3))
    assert streams.moved.split(", ")[0] == kind


@pytest.mark.parametrize("stream", [itertools.count(3), itertools.count(0.5, -2.5)], ids=repr)
def test_a_count_of_a_module_goes_on_where_it_was(stream: Any) -> None:
    model = Counting(stream)
    streams, before = Streams(model.modules()), repr(stream)
    with quiet(model):
        inside = [float(model(torch.zeros(1))) for _ in range(3)]
    assert model.stream is stream
    assert (repr(stream), streams.moved) == (before, "")
    assert [float(model(torch.zeros(1))) for _ in range(3)] == inside


def test_a_measurement_that_moves_an_iterator_says_so_once(tmp_path: Path) -> None:
    def told(change: Any) -> list[str]:
        model = Through(change)
        batch = (torch.zeros(4, 3), torch.zeros(4, 2))
        choices: Any = {"batch": batch, "loss_fn": nn.functional.mse_loss, "probes": ["hessian"], "verbose": False}
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            monitor = htmu_diag.watch(model, log_dir=tmp_path / type(change).__name__, sinks=(), **choices)
            monitor.snapshot()
            monitor.step()
            monitor.snapshot()
            monitor.close()
        return [str(one.message) for one in said if "cannot be put back" in str(one.message)]

    assert len(told(Holder(_noise()))) == 1
    assert told(nn.Tanh()) == []
