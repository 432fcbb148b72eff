"""Parameters without values, or of a type that hardly computes, cost themselves and not what lies beside them."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import htmu_diag

X, Y = torch.randn(8, 7), torch.randint(0, 3, (8,))


class Odd(nn.Module):
    """Two ordinary layers, and one parameter more that no output depends on."""

    def __init__(self, extra: nn.Parameter) -> None:
        super().__init__()
        self.first, self.last, self.extra = nn.Linear(7, 5), nn.Linear(5, 3), extra

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(torch.tanh(self.first(x)))
        return found


EXTRA = {
    "empty": lambda: nn.Parameter(torch.empty(0, 4)),
    "meta": lambda: nn.Parameter(torch.empty(4, 4, device="meta")),
    "float8": lambda: nn.Parameter(torch.randn(4, 4).to(torch.float8_e4m3fn), requires_grad=False),
}
BLOCKS = {"first.weight", "first.bias", "last.weight", "last.bias"}


def layers(kind: str, probe: str, folder: Path) -> set[str]:
    model = Odd(EXTRA[kind]())
    ours = [*model.first.parameters(), *model.last.parameters()]
    optimizer = torch.optim.SGD(ours, lr=0.1)
    loss = nn.CrossEntropyLoss()
    with (
        warnings.catch_warnings(),
        htmu_diag.watch(model, optimizer, probes=[probe], every=1, batch=(X, Y), loss_fn=loss, log_dir=folder),
    ):
        warnings.simplefilter("error")
        for _ in range(2):
            optimizer.zero_grad()
            loss(model(X), Y).backward()
            optimizer.step()
    run = htmu_diag.load_run(folder)
    assert run.steps == (0, 1, 2)
    return set(run.layers)


@pytest.mark.parametrize("kind", EXTRA)
def test_a_path_goes_through_the_parameters_that_have_values(kind: str, tmp_path: Path) -> None:
    assert layers(kind, "trajectory", tmp_path) == {"model", "first.weight", "last.weight"}


@pytest.mark.parametrize("kind", ["empty", "float8"])
def test_curvature_has_a_block_for_each_parameter_with_entries(kind: str, tmp_path: Path) -> None:
    assert layers(kind, "ggn_layers", tmp_path) == BLOCKS


@pytest.mark.parametrize("kind", EXTRA)
def test_a_kernel_is_that_of_the_parameters_with_entries(kind: str, tmp_path: Path) -> None:
    assert layers(kind, "ntk", tmp_path) == {"model"}


@pytest.mark.parametrize("probe", ["weights", "trajectory", "ntk", "ggn"])
def test_a_lazy_model_may_be_watched_before_its_first_pass(probe: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 3))
    loss = nn.CrossEntropyLoss()
    with warnings.catch_warnings(record=True) as told:
        monitor = htmu_diag.watch(model, probes=[probe], every=1, batch=(X, Y), loss_fn=loss, log_dir=tmp_path)
        model(X)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            loss(model(X), Y).backward()
            optimizer.step()
        monitor.close()
    assert htmu_diag.load_run(tmp_path).layers
    words = [str(one.message) for one in told if str(one.message).startswith("htmu_diag")]
    assert len(words) == (probe in ("ntk", "ggn"))
    assert all("not initialised yet" in text for text in words)


def test_a_derivative_that_is_no_number_is_a_sentence() -> None:
    model = nn.Linear(4, 3)
    nn.init.constant_(model.weight, float("nan"))
    with pytest.raises(htmu_diag.HTMUError, match="derivative is NaN or infinite"):
        htmu_diag.input_output_jacobian(model, torch.randn(2, 4))
