"""Kernels equal the dense construction J J^T, whatever the architecture."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint

from htmu_diag.operators import input_output_jacobian
from htmu_diag.operators.ntk import empirical_ntk, ntk_operator
from htmu_diag.operators.sample_function import SampleFunction


class TiedTransformer(nn.Module):
    """Attention, LayerNorm, positions shared by all samples, and an output head that is the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(11, 8, padding_idx=0)
        self.positions = nn.Embedding(5, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
        self.head = nn.Linear(8, 11, bias=False)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.block(self.tokens(tokens) + self.positions(torch.arange(5)))
        return self.head(hidden)[:, -1]


class UsedTwice(nn.Module):
    """One linear layer applied twice, one of its weights once more by hand, and two raw parameters, one a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.shared, self.last = nn.Linear(4, 4), nn.Linear(4, 3)
        self.gain, self.scale = nn.Parameter(torch.randn(4)), nn.Parameter(torch.tensor(1.5))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.shared(torch.tanh(self.shared(x))) * self.gain * self.scale
        return self.last(torch.tanh(nn.functional.linear(hidden, self.last.weight[:, :4].T[:, :3] @ self.last.weight)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Residual(nn.Module):
    """A residual block with batch normalisation and in-place activations, in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.relu_(self.norm(self.stem(x)))
        return self.head((hidden + self.body(hidden)).mean((2, 3)))


class TwoInputs(nn.Module):
    """Two inputs and an output in a dictionary, as Hugging Face models have."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        return {"loss": a.sum(), "logits": torch.tanh(self.left(a)) * self.right(b)}


class Windows(nn.Module):
    """Folds windows into the batch before a convolution and a norm, as vision transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv1d(2, 4, 3), nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        windows = x.unfold(2, 5, 5).permute(0, 2, 1, 3).flatten(0, 1)
        hidden = torch.tanh(self.norm(self.conv(windows).transpose(1, 2)))
        return self.head(hidden.unflatten(0, (x.shape[0], -1)).mean((1, 2)))


class Siamese(nn.Module):
    """Both members of a pair go through the layer in one batch; its activations are computed again in the backward."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        both = checkpoint(lambda x: torch.tanh(self.body(x)), torch.cat([a, b]), use_reentrant=False)
        left, right = both.chunk(2)
        return self.head(left * right)


class Routed(nn.Module):
    """Samples go to one of two experts, a weight-normalised one and a sparse embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
        self.table, self.head = nn.Embedding(2, 4, sparse=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        chosen = x[:, 0] > 0
        hidden = x.new_zeros(len(x), 4)
        hidden[chosen] = self.dense(x[chosen])
        return self.head(torch.tanh(hidden + self.table((x[:, 1] > 0).long())))


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3))
    model[0].weight.requires_grad_(False)
    return model


def images(n: int = 5) -> Tensor:
    return torch.randn(n, 3, 8, 8)


def strided() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, 6, 3, groups=2, dilation=2, padding="same", padding_mode="circular"),
        nn.GroupNorm(2, 6),
        nn.Flatten(),
        nn.Linear(96, 4),
    )


def narrow_images() -> nn.Module:
    """Few positions and many channels, where the pair contraction is the cheaper one."""
    return nn.Sequential(nn.Conv2d(3, 16, 3, stride=4), nn.Tanh(), nn.Conv2d(16, 16, 2), nn.Flatten(), nn.Linear(16, 3))


def volumes() -> nn.Module:
    conv = nn.Conv3d(2, 4, (2, 3, 1), stride=(1, 2, 1), padding=1)
    return nn.Sequential(conv, nn.BatchNorm3d(4), nn.Tanh(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2))


def transposed() -> nn.Module:
    return nn.Sequential(nn.ConvTranspose2d(3, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(200, 2))


Case = tuple[Callable[[], nn.Module], Callable[[], Any]]
CASES: dict[str, Case] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 3)), lambda: torch.randn(9, 6)),
    "cnn with stride, groups, dilation": (strided, images),
    "cnn with few positions": (narrow_images, lambda: images(9)),
    "conv3d": (volumes, lambda: torch.randn(4, 2, 4, 5, 3)),
    "transposed convolution": (transposed, images),
    "residual block": (Residual, images),
    "tied transformer": (TiedTransformer, lambda: torch.randint(0, 11, (6, 5))),
    "lstm": (Recurrent, lambda: torch.randn(5, 4, 3)),
    "used twice": (UsedTwice, lambda: torch.randn(5, 4)),
    "frozen": (frozen, lambda: torch.randn(5, 5)),
    "two inputs, dict output": (TwoInputs, lambda: {"a": torch.randn(5, 3), "b": torch.randn(5, 2)}),
    "windows in the batch": (Windows, lambda: torch.randn(5, 2, 10)),
    "pairs in the batch, checkpointed": (Siamese, lambda: (torch.randn(5, 3), torch.randn(5, 3))),
    "routed, sparse embedding": (Routed, lambda: torch.tensor([[1.0, -1], [-1, 1], [2, 1], [3, -1]])[:, [0, 1, 0]]),
}


def made(name: str, dtype: torch.dtype) -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    model, inputs = CASES[name][0]().to(dtype).eval(), CASES[name][1]()
    return model, tree_map(lambda t: t.to(dtype) if t.is_floating_point() else t, inputs)


def dense_jacobian(model: nn.Module, inputs: Any) -> Tensor:
    """(n, C, P), one sample and one output at a time, by autograd alone."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    function = SampleFunction(model, inputs)
    rows = []
    for i in range(function.n):
        outputs = function(i, i + 1)[0]
        grads = [torch.autograd.grad(o, parameters, retain_graph=True, allow_unused=True) for o in outputs]
        flat = [[torch.zeros_like(p) if g is None else g for g, p in zip(gs, parameters, strict=True)] for gs in grads]
        rows.append(torch.stack([torch.cat([g.to_dense().flatten() for g in gs]) for gs in flat]))
    return torch.stack(rows)


def distance(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_kernels_equal_the_dense_construction(name: str, dtype: torch.dtype, tolerance: float) -> None:
    model, inputs = made(name, dtype)
    jacobian = dense_jacobian(model, inputs)
    rows = jacobian.flatten(0, 1)
    assert distance(empirical_ntk(model, inputs, outputs="full").matrix, rows @ rows.T) < tolerance
    trace = torch.einsum("icp,jcp->ij", jacobian, jacobian)
    assert distance(empirical_ntk(model, inputs).matrix, trace) < tolerance
    summed = jacobian.sum(1) / jacobian.shape[1] ** 0.5
    assert distance(empirical_ntk(model, inputs, outputs="pseudo").matrix, summed @ summed.T) < tolerance


@pytest.mark.parametrize("name", ["mlp", "cnn with stride, groups, dilation", "residual block", "used twice"])
def test_the_dense_construction_is_that_of_jacrev_and_vmap(name: str) -> None:
    model, inputs = made(name, torch.float64)
    parameters = {key: p.detach() for key, p in model.named_parameters()}
    one = lambda p, x: torch.func.functional_call(model, p, (x[None],))[0]  # noqa: E731
    found = torch.func.vmap(torch.func.jacrev(one), (None, 0))(parameters, inputs)
    rows = torch.cat([part.reshape(*part.shape[:2], -1) for part in found.values()], 2)
    assert distance(rows, dense_jacobian(model, inputs)) < 1e-12


@pytest.mark.parametrize("name", CASES)
def test_chunks_and_batched_backward_passes_change_nothing(name: str) -> None:
    model, inputs = made(name, torch.float64)
    whole = empirical_ntk(model, inputs, outputs="full").matrix
    assert distance(empirical_ntk(model, inputs, outputs="full", chunk=2, batched=True).matrix, whole) < 1e-12


@pytest.mark.parametrize("outputs", ["trace", "full"])
@pytest.mark.parametrize("name", ["cnn with stride, groups, dilation", "tied transformer", "residual block"])
def test_a_small_memory_limit_makes_more_passes_and_the_same_kernel(name: str, outputs: Any) -> None:
    model, inputs = made(name, torch.float64)
    whole = empirical_ntk(model, inputs, outputs=outputs)
    tight = empirical_ntk(model, inputs, outputs=outputs, memory=60_000)
    assert len(tight.plan.passes) > len(whole.plan.passes) == 1
    assert distance(tight.matrix, whole.matrix) < 1e-12
    held = [sum(step.stored for step in each.steps) for each in tight.plan.passes]
    assert max(held) <= 60_000


@pytest.mark.parametrize("name", ["residual block", "tied transformer", "lstm"])
def test_layer_kernels_add_up_to_the_kernel(name: str) -> None:
    model, inputs = made(name, torch.float64)
    kernel = empirical_ntk(model, inputs, layerwise=True)
    assert len(kernel.layers) > 1
    assert distance(sum(kernel.layers.values(), torch.zeros(())), empirical_ntk(model, inputs).matrix) < 1e-12


@pytest.mark.parametrize("name", ["mlp", "residual block", "used twice"])
def test_the_trace_is_the_sum_of_squared_gradient_norms(name: str) -> None:
    model, inputs = made(name, torch.float64)
    squares = dense_jacobian(model, inputs).square().sum()
    assert float(empirical_ntk(model, inputs).matrix.trace() / squares) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_everything_works_where_the_caller_has_turned_gradients_off_and_is_left_as_found(off: Any) -> None:
    model, inputs = made("used twice", torch.float64)
    kernel = empirical_ntk(model, inputs, outputs="full").matrix
    singular = input_output_jacobian(model, inputs).singular_values
    ones = torch.ones(len(kernel), dtype=torch.float64)
    with off():
        assert torch.equal(empirical_ntk(model, inputs, outputs="full").matrix, kernel)
        assert torch.allclose(ntk_operator(model, inputs) @ ones, kernel @ ones)
        assert torch.equal(input_output_jacobian(model, inputs).singular_values, singular)
        assert not torch.is_grad_enabled()
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_kernel_of_a_linear_model_is_the_gram_matrix_of_the_inputs_times_the_identity() -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 5, dtype=torch.float64)
    kernel = empirical_ntk(nn.Linear(5, 3, bias=False).double(), x, outputs="full").matrix
    assert distance(kernel, torch.kron(x @ x.T, torch.eye(3, dtype=torch.float64))) < 1e-14


def test_two_equal_samples_and_a_single_sample_are_no_special_cases() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)), torch.randn(1, 4)
    single = empirical_ntk(model, x).matrix
    twice = empirical_ntk(model, torch.cat([x, x])).matrix
    assert single.shape == (1, 1)
    assert torch.allclose(twice, single.expand(2, 2))


def test_a_bias_goes_with_the_pairs_of_its_weight_and_alone_where_the_weight_is_left_out() -> None:
    model, inputs = made("mlp", torch.float64)
    inputs = inputs[[0, 1, 2, 0, 1]]
    jacobian = dense_jacobian(model, inputs)
    kernel = empirical_ntk(model, inputs, layerwise=True)
    steps = {step.parameter.name: step.strategy for each in kernel.plan.passes for step in each.steps}
    assert steps["0.weight"] == "pairs"
    assert steps["0.bias"] == "absorbed"
    first = jacobian[:, :, : 6 * 8 + 8].flatten(1)
    assert distance(kernel.layers["0"], first @ first.T) < 1e-12
    bias = empirical_ntk(model, inputs, parameters="0.bias").matrix
    own = jacobian[:, :, 6 * 8 : 6 * 8 + 8].flatten(1)
    assert distance(bias, own @ own.T) < 1e-12


def test_parameters_are_chosen_by_glob_and_their_kernels_add_up() -> None:
    model, inputs = made("mlp", torch.float64)
    parts = [empirical_ntk(model, inputs, parameters=glob) for glob in ("0.*", "2.*")]
    whole = empirical_ntk(model, inputs)
    assert sum(part.parameters for part in parts) == whole.parameters
    assert distance(parts[0].matrix + parts[1].matrix, whole.matrix) < 1e-14


def test_the_random_pseudo_kernel_is_unbiased_for_the_trace_kernel() -> None:
    model, inputs = made("mlp", torch.float64)
    draws = [empirical_ntk(model, inputs, outputs="pseudo", pseudo="random", seed=s).matrix for s in range(200)]
    assert distance(torch.stack(draws).mean(0), empirical_ntk(model, inputs).matrix) < 0.1


def test_the_model_is_left_as_found() -> None:
    model, inputs = made("residual block", torch.float32)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    rng = torch.get_rng_state()
    empirical_ntk(model, inputs)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert torch.equal(rng, torch.get_rng_state())


@pytest.mark.parametrize("outputs", ["trace", "full"])
@pytest.mark.parametrize("name", ["wide convolutions", "windows in the batch", "used twice"])
def test_rows_formed_late_from_inputs_and_gradients_give_the_same_kernel(name: str, outputs: Any) -> None:
    torch.manual_seed(0)
    if name == "wide convolutions":
        model: nn.Module = nn.Sequential(nn.Conv2d(4, 24, 3), nn.Tanh(), nn.Conv2d(24, 24, 3), nn.Flatten())
        inputs: Any = torch.randn(12, 4, 8, 8, dtype=torch.float64)
        model = nn.Sequential(model.double(), nn.Linear(24 * 16, 2).double())
    else:
        model, inputs = made(name, torch.float64)
    whole = empirical_ntk(model, inputs, outputs=outputs)
    tight = empirical_ntk(model, inputs, outputs=outputs, memory=1_000_000 if name == "wide convolutions" else 10_000)
    strategies = {step.strategy for each in tight.plan.passes for step in each.steps}
    assert distance(tight.matrix, whole.matrix) < 1e-12
    assert name != "wide convolutions" or "stream" in strategies
