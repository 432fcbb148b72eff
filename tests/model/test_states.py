"""Small states: what is set inside, and that nothing of it is left."""

import random
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch

from htmu_diag.model.states import default_dtype, differentiating, eager, evaluating, seeded, without_autocast


def draws() -> tuple[float, float, float]:
    return float(torch.rand(1)), float(np.random.random()), random.random()  # noqa: NPY002


def test_one_seed_gives_the_same_numbers_of_all_three_generators_and_moves_none() -> None:
    with seeded(3):
        undisturbed = draws()
        expected = draws()
    with seeded(4):
        assert draws() != undisturbed
        with seeded(3):
            assert draws() == undisturbed
            assert draws() == expected
    random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002
    first = draws()
    random.seed(0), np.random.seed(0), torch.manual_seed(0)  # noqa: NPY002
    with pytest.raises(KeyError), seeded(3):
        raise KeyError
    assert draws() == first


def test_evaluating_leaves_frozen_parts_frozen_and_trained_parts_in_training() -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Sequential(torch.nn.BatchNorm1d(3)))
    model[1][0].eval()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model.modules()] == [True, True, True, False]


@pytest.mark.parametrize("outside", [torch.no_grad, torch.inference_mode])
def test_gradients_are_recorded_whatever_the_caller_turned_off(outside: Callable[[], AbstractContextManager]) -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    with outside():
        assert not (weight * 2).requires_grad
        with differentiating():
            assert torch.equal(torch.autograd.grad((weight * 2).sum(), weight)[0], torch.full((2,), 2.0))
        assert not torch.is_grad_enabled()


def test_products_in_autocast_have_full_precision_inside() -> None:
    one = torch.full((1, 1), 1.001)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (one @ one).dtype == torch.bfloat16
        with without_autocast():
            assert (one @ one).dtype == torch.float32
        assert torch.is_autocast_enabled("cpu")


def test_the_default_dtype_is_put_back_when_the_block_raises() -> None:
    before = torch.get_default_dtype()
    with pytest.raises(KeyError), default_dtype(torch.float64):
        assert torch.zeros(1).dtype == torch.float64
        raise KeyError
    assert torch.get_default_dtype() == before


def test_compiled_code_runs_as_it_is_written() -> None:
    pytest.importorskip("torch._dynamo")
    seen = []

    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        seen.append(graph)
        return graph.forward

    compiled = torch.compile(lambda x: x + 1, backend=backend)
    with eager():
        assert compiled(torch.ones(1)) == 2
    assert not seen
    assert compiled(torch.ones(1)) == 2
    assert len(seen) == 1
