"""Modules and parameters are those of torch, in its order, each once."""

import pytest
import torch
from torch import nn

from htmu_diag.model.walk import modules_of, parameters_of


class Tangled(nn.Module):
    """Shared children and parameters, an absent child and an absent parameter, a module that holds itself twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        self.again = self.first[0]
        self.none: nn.Module | None = None
        self.register_module("absent", None)
        self.last = nn.ModuleList([self.first, nn.Linear(2, 2, bias=False), nn.BatchNorm1d(2)])
        self.last[1].weight = self.first[0].weight
        self.register_parameter("missing", None)


@pytest.mark.filterwarnings("ignore:.*is deprecated")
def test_modules_and_parameters_are_those_of_torch_in_its_order() -> None:
    for model in (Tangled(), torch.jit.script(nn.Sequential(nn.Linear(2, 2), nn.ReLU())), nn.DataParallel(Tangled())):
        modules = modules_of(model)
        assert [id(m) for m in modules] == [id(m) for m in model.modules()]
        assert {id(p) for p in parameters_of(modules)} == {id(p) for p in model.parameters()}
        plain = not isinstance(model, torch.jit.ScriptModule)  # which makes its parameters anew at each question
        assert not plain or [id(p) for p in parameters_of(modules)] == [id(p) for p in model.parameters()]


def test_models_that_share_parts_give_each_module_once() -> None:
    one = Tangled()
    assert [id(m) for m in modules_of(one.last, one)] == [
        *map(id, one.last.modules()),
        *(id(m) for m in one.modules() if all(m is not inner for inner in one.last.modules())),
    ]
