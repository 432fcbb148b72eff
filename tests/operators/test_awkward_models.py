"""Models on which public tools fail without a word: each works here, or is refused by the module's name."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.checks import self_check
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.solvers.dense import dense_matrix


class OnceSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return 2 * ctx.saved_tensors[0] * grad


class StashedSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.stashed = x.detach().clone()
        return x**2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return 2 * ctx.stashed * grad


class Square(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function.apply(x)


class Block(nn.Module):
    """A linear map, run in one of the ways that matter here."""

    def __init__(self, how: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.unused = nn.Linear(5, 6), nn.Linear(6, 3), nn.Linear(2, 2)
        self.how = how

    def forward(self, x: torch.Tensor) -> Any:
        if self.how.startswith("checkpoint"):
            hidden = checkpoint(torch.tanh, self.first(x), use_reentrant=self.how == "checkpoint reentrant")
        else:
            hidden = self.first(x).tanh()
        out = self.last(hidden)
        return {"object": SimpleNamespace(logits=out), "dict": {"logits": out}}.get(self.how, out)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.head = nn.Linear(4, 12), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        return self.head(nn.functional.scaled_dot_product_attention(q, k, v).mean(1))


def data(samples: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(samples, 5, generator=rng), torch.randint(0, 3, (samples,), generator=rng)


@pytest.mark.parametrize("function", [OnceSquare, StashedSquare])
def test_wrong_second_derivatives_are_reported_by_module_name(function: Any) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), Square(function), nn.Linear(6, 3))
    with pytest.raises(MeasurementError, match="^1: "):
        self_check(HessianOperator(model, cross_entropy, data()))


@pytest.mark.parametrize("how", ["object", "dict", "checkpoint"])
def test_outputs_with_logits_and_checkpointing_give_the_plain_hessian(how: str) -> None:
    plain, other = Block("plain").double(), Block(how).double()
    matrices = [
        dense_matrix(HessianOperator(m, cross_entropy, data(), include=["first", "last"])) for m in (plain, other)
    ]
    assert torch.allclose(*matrices)


def test_reentrant_checkpointing_is_refused_with_the_way_out() -> None:
    model = Block("checkpoint reentrant")
    with pytest.raises(MeasurementError, match="use_reentrant=False"):
        HessianOperator(model, cross_entropy, data()).matvec(torch.zeros(63))


def test_an_unused_parameter_has_a_zero_block() -> None:
    operator = HessianOperator(Block("plain"), cross_entropy, data())
    assert float(dense_matrix(operator.block("unused")).abs().max()) == 0.0
    assert self_check(operator).passed


def test_fused_attention_is_switched_to_its_math_kernel() -> None:
    torch.manual_seed(0)
    x = torch.randn(6, 7, 4)
    assert self_check(HessianOperator(Attention(), cross_entropy, (x, data(6)[1]))).passed


def test_a_recurrent_net_works() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 3, batch_first=True), nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.lstm(x)[0][:, -1])

    torch.manual_seed(0)
    assert self_check(HessianOperator(Reader(), cross_entropy, (torch.randn(6, 5, 4), data(6)[1]))).passed


def test_tied_weights_count_once() -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5))
    model[2].weight = model[0].weight
    operator = HessianOperator(model, cross_entropy, data())
    assert operator.shape == (35, 35)
    assert self_check(operator).passed


def test_a_compiled_module_works_and_stays_compiled() -> None:
    model = torch.compile(nn.Linear(5, 3), backend="eager")
    operator = HessianOperator(model, cross_entropy, data())
    assert operator.names == ("weight", "bias")
    assert self_check(operator).passed
    assert type(model).__name__ == "OptimizedModule"


def test_a_shuffled_loader_gives_one_operator() -> None:
    x, y = data(20)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=8, shuffle=True)
    operator = HessianOperator(Block("plain"), cross_entropy, loader, reuse="never")
    v = torch.randn(operator.shape[0], generator=torch.Generator().manual_seed(0))
    assert torch.equal(operator.matvec(v), operator.matvec(v))


def test_train_mode_batch_norm_keeps_its_running_statistics() -> None:
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
    before = model[1].running_mean.clone()
    x, y = data()
    assert self_check(HessianOperator(model, cross_entropy, [(x, y), (x, y)])).passed
    assert torch.equal(model[1].running_mean, before)
    assert int(model[1].num_batches_tracked) == 0
