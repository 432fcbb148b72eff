"""Models on which public tools fail without a word: each works here, or is refused by the module's name."""

import copy
import math
import random
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.batches import cached
from htmu_diag.operators.checks import self_check
from htmu_diag.operators.covariance import gradient_covariance
from htmu_diag.operators.differentiable_model import _refuse_unusable
from htmu_diag.operators.fisher import FisherOperator
from htmu_diag.operators.ggn import GGNOperator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.operators.weight_norm import WrittenOut
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
    def __init__(self, function: Any, unused: int = 0) -> None:
        super().__init__()
        self.function = function
        self.unused = nn.ParameterList([nn.Parameter(torch.ones(2)) for _ in range(unused)])

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


@pytest.mark.parametrize("unused", [0, 1])
@pytest.mark.parametrize("function", [OnceSquare, StashedSquare])
def test_wrong_second_derivatives_are_reported_by_module_name(function: Any, unused: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), Square(function, unused), nn.Linear(6, 3))
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


@pytest.mark.parametrize("kind", [HessianOperator, GGNOperator, FisherOperator])
def test_an_unused_parameter_has_a_zero_block(kind: Any) -> None:
    operator = kind(Block("plain"), cross_entropy, data())
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


class Custom(nn.Module):
    """A linear layer whose forward pass is the given function of it and the inputs."""

    def __init__(self, run: Any, **parts: nn.Module) -> None:
        super().__init__()
        self.run, self.head = run, nn.Linear(5, 3)
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.run(self, *inputs)


def sequences(samples: int = 6, length: int = 4, width: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    return torch.randn(samples, length, width, generator=rng), torch.randint(0, 3, (samples,), generator=rng)


@pytest.mark.parametrize("frozen", [False, True])
def test_encoder_layers_in_eval_mode_have_a_second_derivative(frozen: bool) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(nn.TransformerEncoder(layer, 1), nn.Flatten(), nn.Linear(32, 3)).eval()
    model[0].requires_grad_(not frozen)
    check = self_check(HessianOperator(model, cross_entropy, sequences()))
    assert check.passed
    assert check.difference < 1e-5


def test_multi_head_attention_has_a_second_derivative() -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    model = Custom(lambda m, x: m.out(m.attention(x, x, x)[0].mean(1)), attention=attention, out=nn.Linear(8, 3))
    assert self_check(HessianOperator(model, cross_entropy, sequences())).passed


def test_tensors_made_in_the_forward_pass_follow_the_dtype_of_the_check() -> None:
    torch.manual_seed(0)

    def run(model: Any, x: torch.Tensor) -> torch.Tensor:
        start = torch.zeros(1, len(x), 5)
        return model.head(model.lstm(x, (start, start))[0][:, -1])

    model = Custom(run, lstm=nn.LSTM(8, 5, batch_first=True))
    assert self_check(HessianOperator(model, cross_entropy, sequences())).difference < 1e-5


def test_a_forward_pass_that_insists_on_float32_is_checked_by_symmetry_alone() -> None:
    check = self_check(HessianOperator(Custom(lambda m, x: m.head(x.float())), cross_entropy, data()))
    assert check.passed
    assert math.isnan(check.difference)


def test_an_input_that_is_not_one_row_a_sample_is_not_cut() -> None:
    torch.manual_seed(0)
    model = Custom(lambda m, x, mix: m.head((mix @ x).tanh()))
    x, y = data(12)
    check = self_check(HessianOperator(model, cross_entropy, ((x, torch.eye(12) + 0.1), y)))
    assert check.difference < 1e-5


def test_rounding_near_a_loss_of_zero_is_no_wrong_derivative() -> None:
    torch.manual_seed(0)
    x, y = data()
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(1500):
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss < 2e-5
    assert self_check(HessianOperator(model, cross_entropy, (x, y))).passed


def test_an_infinite_derivative_is_reported_where_the_loss_is_finite() -> None:
    torch.manual_seed(0)
    model = Custom(lambda m, x: m.head(x).relu().sqrt())
    with pytest.raises(MeasurementError, match="a derivative is infinite"):
        self_check(HessianOperator(model, cross_entropy, data()))


@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm_is_written_out_since_its_second_derivative_is_wrong(dim: int | None) -> None:
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(5, 6), dim=dim)
    model = nn.Sequential(layer, nn.Tanh(), nn.Linear(6, 3))
    check = self_check(HessianOperator(model, cross_entropy, data()))
    assert check.difference < 1e-5
    v, g = layer.parametrizations.weight.original1.detach(), layer.parametrizations.weight.original0.detach()
    axes = {0: [1], 1: [0], None: [0, 1]}[dim]
    assert torch.allclose(layer.weight, v * g / v.norm(dim=axes, keepdim=True), atol=1e-6)


@pytest.mark.parametrize("dim", [-1, 0, 1, 2])
def test_weight_norm_written_out_is_that_of_pytorch(dim: int) -> None:
    torch.manual_seed(0)
    v = torch.randn(3, 4, 5)
    g = torch.rand([1 if axis != dim else v.shape[dim] for axis in range(3)])
    with WrittenOut():
        written = torch._weight_norm(v, g, dim)
    expected = v * (g / v.norm()) if dim == -1 else torch._weight_norm(v, g, dim)
    assert torch.allclose(written, expected, atol=1e-6)


def test_spectral_norm_works_in_eval_mode_and_is_left_as_found() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(5, 6)), nn.Tanh(), nn.Linear(6, 3)).eval()
    before = copy.deepcopy(model.state_dict())
    assert self_check(HessianOperator(model, cross_entropy, data())).passed
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_changes_through_data_are_seen() -> None:
    model = nn.Linear(5, 3)
    operator = HessianOperator(model, cross_entropy, data())
    model.bias.data.add_(1.0)
    with pytest.raises(MeasurementError, match="^bias: changed in place"):
        operator.matvec(torch.zeros(18))


def test_a_batch_made_in_inference_mode_or_overwritten_later_stays_as_it_was() -> None:
    with torch.inference_mode():
        x, y = data()
    operator = HessianOperator(nn.Linear(5, 3), cross_entropy, (x, y))
    v = torch.ones(18)
    first = operator.matvec(v)
    with torch.inference_mode():
        x.zero_()
    operator._kept.graphs.clear()
    assert torch.equal(operator.matvec(v), first)
    assert first.norm() > 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.LazyLinear(3), "weight: not initialised"),
        (nn.Linear(5, 3, dtype=torch.complex64), "weight: complex"),
        (nn.Linear(5, 3, device="meta"), "weight: a sharded"),
    ],
)
def test_parameters_without_a_hessian_are_refused_by_name(model: nn.Module, message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        HessianOperator(model, cross_entropy, data())


def test_sparse_gradients_are_refused_with_the_way_out() -> None:
    model = Custom(lambda m, x: m.head(m.table(x).mean(1)), table=nn.Embedding(10, 5, sparse=True))
    x = torch.randint(0, 10, (16, 4))
    operator = HessianOperator(model, cross_entropy, (x, data()[1]))
    with pytest.raises(MeasurementError, match="sparse=False"):
        operator.matvec(torch.ones(operator.shape[0]))


def test_a_gradient_with_sparse_parts_is_the_dense_one() -> None:
    model, x = Custom(lambda m, x: m.head(m.table(x).mean(1)), table=nn.Embedding(10, 5)), torch.randint(0, 10, (16, 4))
    dense = HessianOperator(model, cross_entropy, (x, data()[1])).gradient()
    model.table.sparse = True
    torch.testing.assert_close(HessianOperator(model, cross_entropy, (x, data()[1])).gradient(), dense)
    assert dense.norm() > 0


def test_python_and_numpy_randomness_is_one_draw_and_put_back() -> None:
    model = Custom(lambda m, x: m.head(x) * (1 + random.random()))
    state = random.getstate()
    operator = HessianOperator(model, cross_entropy, data(), reuse="never")
    assert torch.equal(operator.matvec(torch.ones(18)), operator.matvec(torch.ones(18)))
    assert random.getstate() == state


def test_a_buffer_that_the_forward_pass_fills_is_empty_again() -> None:
    def run(model: Any, x: torch.Tensor) -> torch.Tensor:
        model.seen = x.mean()
        return model.head(x)

    model = Custom(run)
    model.register_buffer("seen", None)
    HessianOperator(model, cross_entropy, data()).matvec(torch.ones(18))
    assert model.seen is None


def test_compiled_parts_are_left_compiled_by_a_copy_too() -> None:
    model = nn.Sequential(torch.compile(nn.Linear(5, 6), backend="eager"), nn.Tanh(), nn.Linear(6, 3))
    model.compile(backend="eager")
    operator = HessianOperator(model, cross_entropy, data(), dtype=torch.float64)
    assert operator.names[0] == "0.weight"
    assert self_check(operator).passed
    assert type(model[0]).__name__ == "OptimizedModule"
    assert model._compiled_call_impl is not None


def test_infinite_inputs_are_named() -> None:
    x, y = data()
    x[0, 0] = torch.inf
    with pytest.raises(MeasurementError, match="^inputs: the loss is nan"):
        HessianOperator(nn.Linear(5, 3), cross_entropy, (x, y)).matvec(torch.ones(18))


@pytest.mark.parametrize("kind", ["empirical", "covariance"])
def test_per_sample_gradients_need_samples_that_do_not_mix(kind: str) -> None:
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Linear(6, 3))
    make: Any = gradient_covariance if kind == "covariance" else FisherOperator
    options = {} if kind == "covariance" else {"kind": kind}
    with pytest.raises(MeasurementError, match="1: batch normalisation"):
        operator = make(model, cross_entropy, data(), **options)
        operator.matvec(torch.ones(operator.shape[0]))


def test_the_true_fisher_of_many_labels_a_sample_is_the_ggn() -> None:
    torch.manual_seed(0)
    model = nn.Conv1d(4, 3, 3, padding=1).double()
    batch = torch.randn(6, 4, 5), torch.randint(0, 3, (6, 5))
    matrices = [dense_matrix(kind(model, cross_entropy, batch)) for kind in (GGNOperator, FisherOperator)]
    assert torch.allclose(*matrices)


def test_ggn_and_fisher_check_their_symmetry() -> None:
    for kind in (GGNOperator, FisherOperator):
        assert self_check(kind(Block("plain"), cross_entropy, data())).passed


def test_graphs_are_kept_within_the_limit_and_rebuilt_beyond_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Linear(64, 3)).double()
    batches = [data(64) for _ in range(6)]
    everything = HessianOperator(model, cross_entropy, batches, reuse="always")
    v = torch.randn(everything.shape[0], generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = everything.matvec(v)
    assert len(everything._kept.graphs) == 6
    saved = everything.graph_bytes // 6
    assert saved > 2 * 64 * 64 * 8  # two hidden activations at least
    bounded = HessianOperator(model, cross_entropy, batches, memory_limit=int(2.5 * saved))
    assert torch.allclose(bounded.matvec(v), expected)
    bounded.block("0").matvec(v[: 64 * 6])
    assert len(bounded._kept.graphs) == 2
    assert bounded.graph_bytes <= 2.5 * saved


def test_cached_batches_own_their_tensors() -> None:
    x, y = data()
    (batch,) = cached((x, y), device=torch.device("cpu"), dtype=torch.float32)
    assert batch.inputs.data_ptr() != x.data_ptr()


def test_a_part_of_a_flattened_parameter_is_refused() -> None:
    parameter = nn.Parameter(torch.ones(3))
    parameter._is_flat_param = True  # type: ignore[attr-defined]
    with pytest.raises(MeasurementError, match="w: a sharded"):
        _refuse_unusable("w", parameter)
