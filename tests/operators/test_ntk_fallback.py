"""Two ways to the Jacobian of loose parameters: at once where that is right, one after the other everywhere."""

from typing import Any

import pytest
import torch
from torch import nn

from htmu_diag.operators.ntk.fallback import is_vectorisable, jacobian_rows
from htmu_diag.operators.sample_function import SampleFunction


class Loose(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w, self.v, self.unused = (nn.Parameter(torch.randn(3, 2).double()) for _ in range(3))

    def forward(self, a: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
        return torch.tanh(a @ self.w) * ((a if b is None else b) @ self.v)


class Branching(Loose):
    def forward(self, a: torch.Tensor, b: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(a) if a.sum() > 0 else super().forward(-a)


def inputs(form: str) -> Any:
    a, b = torch.randn(4, 3).double(), torch.randn(4, 3).double()
    return {"tensor": a, "tuple": (a, b), "list": [a, b], "dict": {"a": a, "b": b}}[form]


@pytest.mark.parametrize("form", ["tensor", "tuple", "list", "dict"])
def test_both_ways_agree_and_the_quick_one_is_taken_however_inputs_are_given(form: str) -> None:
    torch.manual_seed(0)
    model, given = Loose(), inputs(form)
    function, parameters = SampleFunction(model, given), dict(model.named_parameters())
    assert is_vectorisable(function, parameters, given)
    rows = [jacobian_rows(function, parameters, given, torch.eye(2).double(), quick) for quick in (True, False)]
    for name in parameters:
        torch.testing.assert_close(rows[0][name], rows[1][name])
    assert float(rows[0]["unused"].abs().max()) == 0 < float(rows[0]["w"].abs().max())


def test_a_model_that_looks_at_its_values_is_differentiated_one_sample_after_the_other() -> None:
    torch.manual_seed(0)
    model, given = Branching(), inputs("tensor")
    assert not is_vectorisable(SampleFunction(model, given), dict(model.named_parameters()), given)
