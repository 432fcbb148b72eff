"""Hessian, GGN and Fisher operators against closed forms and exact Hessians."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.checks import self_check
from htmu_diag.operators.covariance import gradient_covariance
from htmu_diag.operators.fisher import FisherOperator
from htmu_diag.operators.ggn import GGNOperator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.solvers.dense import dense_matrix
from htmu_diag.solvers.density import spectral_density
from htmu_diag.spectrum import Kind, Source


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def net(*widths: int, activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    torch.manual_seed(0)
    layers = [layer for a, b in itertools.pairwise(widths) for layer in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers[:-1]).double()


def data(samples: int = 24, inputs: int = 5, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(samples, inputs, generator=rng(1), dtype=torch.float64)
    return x, torch.randint(0, classes, (samples,), generator=rng(2))


def reference(model: nn.Module, loss_fn: object, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The Hessian by one backward pass for each entry of the gradient."""
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(loss_fn(model(batch[0]), batch[1]), parameters, create_graph=True)  # type: ignore[operator]
    flat = torch.cat([g.reshape(-1) for g in gradient])
    rows = [torch.autograd.grad(g, parameters, retain_graph=True, materialize_grads=True) for g in flat]
    return torch.stack([torch.cat([r.reshape(-1) for r in row]) for row in rows])


def test_linear_regression_has_the_hessian_two_over_n_gram() -> None:
    x = data()[0]
    y = torch.randn(24, 1, generator=rng(3), dtype=torch.float64)
    model = nn.Linear(5, 1, bias=False).double()
    assert torch.allclose(dense_matrix(HessianOperator(model, mse_loss, (x, y))), 2 / 24 * x.T @ x)


def test_logistic_regression_weighs_the_gram_by_p_one_minus_p() -> None:
    x, labels = data(classes=2)
    model = nn.Linear(5, 1, bias=False).double()
    y = labels.double()[:, None]
    p = torch.sigmoid(model(x)).detach()
    loss = nn.functional.binary_cross_entropy_with_logits
    assert torch.allclose(dense_matrix(HessianOperator(model, loss, (x, y))), (x * p * (1 - p)).T @ x / 24)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU, nn.SiLU])
def test_products_equal_the_hessian_of_double_backward(activation: type[nn.Module]) -> None:
    model, batch = net(5, 8, 8, 3, activation=activation), data()
    assert torch.allclose(
        dense_matrix(HessianOperator(model, cross_entropy, batch)), reference(model, cross_entropy, batch)
    )


@pytest.mark.parametrize("reuse", ["always", "auto", "never"])
def test_unequal_batches_are_a_mean_over_samples(reuse: str) -> None:
    model, (x, y) = net(5, 6, 3), data(64)
    parts = [(x[:30], y[:30]), (x[30:60], y[30:60]), (x[60:], y[60:])]
    whole = dense_matrix(HessianOperator(model, cross_entropy, (x, y)))
    for operator in (HessianOperator, GGNOperator, FisherOperator):
        one = dense_matrix(operator(model, cross_entropy, (x, y)))
        many = dense_matrix(operator(model, cross_entropy, parts, reuse=reuse))  # type: ignore[arg-type]
        assert torch.allclose(one, many, atol=1e-12)
    assert torch.allclose(dense_matrix(HessianOperator(model, cross_entropy, iter(parts))), whole, atol=1e-12)


def test_blocks_and_globs_are_the_diagonal_blocks_of_the_whole() -> None:
    model, batch = net(5, 6, 3), data()
    whole = HessianOperator(model, cross_entropy, batch)
    matrix = dense_matrix(whole)
    assert torch.allclose(dense_matrix(whole.block("0")), matrix[:36, :36])
    assert torch.allclose(dense_matrix(HessianOperator(model, cross_entropy, batch, include=["2.*"])), matrix[36:, 36:])
    traces = [float(torch.trace(dense_matrix(whole.block(name)))) for name in whole.names]
    assert sum(traces) == pytest.approx(float(torch.trace(matrix)))


def test_weight_decay_adds_a_multiple_of_the_identity() -> None:
    model, batch = net(5, 4, 3), data()
    plain = dense_matrix(HessianOperator(model, cross_entropy, batch))
    decayed = dense_matrix(HessianOperator(model, cross_entropy, batch, weight_decay=0.5))
    assert torch.allclose(decayed - plain, 0.5 * torch.eye(plain.shape[0], dtype=torch.float64))


def test_the_ggn_of_a_linear_model_is_its_hessian() -> None:
    model, batch = net(5, 3), data()
    ggn, hessian = (dense_matrix(kind(model, cross_entropy, batch)) for kind in (GGNOperator, HessianOperator))
    assert torch.allclose(ggn, hessian)


def test_ggn_and_fisher_are_positive_semi_definite_where_the_hessian_is_not() -> None:
    model, batch = net(5, 8, 3), data()
    smallest = lambda operator: float(torch.linalg.eigvalsh(dense_matrix(operator))[0])  # noqa: E731
    assert smallest(HessianOperator(model, cross_entropy, batch)) < -1e-4
    assert smallest(GGNOperator(model, cross_entropy, batch)) > -1e-12
    for kind in ("true", "mc", "empirical"):
        assert smallest(FisherOperator(model, cross_entropy, batch, kind=kind)) > -1e-12  # type: ignore[arg-type]


def test_the_true_fisher_of_softmax_is_the_ggn_and_draws_approach_it() -> None:
    model, batch = net(5, 4, 3), data()
    ggn = dense_matrix(GGNOperator(model, cross_entropy, batch))
    assert torch.allclose(dense_matrix(FisherOperator(model, cross_entropy, batch)), ggn)
    drawn = dense_matrix(FisherOperator(model, cross_entropy, batch, kind="mc", draws=2000))
    assert float((drawn - ggn).norm() / ggn.norm()) < 0.05


def test_empirical_fisher_and_covariance_are_moments_of_per_sample_gradients() -> None:
    model, (x, y) = net(5, 4, 3), data()
    rows = [
        torch.autograd.grad(cross_entropy(model(x[i : i + 1]), y[i : i + 1]), list(model.parameters()))
        for i in range(24)
    ]
    gradients = torch.stack([torch.cat([g.reshape(-1) for g in row]) for row in rows])
    parts = [(x[:20], y[:20]), (x[20:], y[20:])]
    fisher = dense_matrix(FisherOperator(model, cross_entropy, parts, kind="empirical"))
    assert torch.allclose(fisher, gradients.T @ gradients / 24)
    centred = dense_matrix(gradient_covariance(model, cross_entropy, parts))
    assert torch.allclose(centred, torch.cov(gradients.T, correction=0), atol=1e-12)


@pytest.mark.parametrize("scale", [1e-12, 1e-9, 1e6])
def test_scaling_the_loss_scales_the_hessian(scale: float) -> None:
    model, batch = net(5, 4, 3), data()
    scaled = HessianOperator(model, lambda z, y: scale * cross_entropy(z, y), batch)
    assert torch.allclose(dense_matrix(scaled) / scale, dense_matrix(HessianOperator(model, cross_entropy, batch)))
    assert self_check(scaled).passed


def test_layer_norm_passes_the_self_check_and_equals_double_backward() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3)).double()
    operator = HessianOperator(model, cross_entropy, data())
    check = self_check(operator)
    assert check.passed
    assert check.difference < 1e-5
    assert torch.allclose(dense_matrix(operator), reference(model, cross_entropy, data()))


def test_the_model_is_left_exactly_as_found() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
    model[0].bias.requires_grad_(False)
    x, y = data()
    cross_entropy(model(x.float()), y).backward()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    grads = [p.grad for p in model.parameters()]
    operator = HessianOperator(model, cross_entropy, (x, y), include=["*"])
    self_check(operator)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
    assert model.training
    assert not model[0].bias.requires_grad


def test_dropout_has_one_mask_for_the_life_of_the_operator() -> None:
    model = nn.Sequential(nn.Linear(5, 6), nn.Dropout(0.5), nn.Linear(6, 3)).double()
    x, y = data()
    kept, rebuilt = (dense_matrix(HessianOperator(model, cross_entropy, (x, y), reuse=r)) for r in ("always", "never"))  # type: ignore[arg-type]
    assert torch.equal(kept, rebuilt)
    assert torch.allclose(kept, kept.T)


def test_parameters_changed_after_construction_are_refused() -> None:
    model = net(5, 3)
    operator = HessianOperator(model, cross_entropy, data())
    with torch.no_grad():
        model[0].bias.add_(1.0)
    with pytest.raises(MeasurementError, match=r"0\.bias: changed in place"):
        operator.matvec(torch.zeros(operator.shape[0]))


def test_a_loss_that_is_not_finite_names_the_layer() -> None:
    model = net(5, 4, 3)
    with torch.no_grad():
        model[2].weight.fill_(float("nan"))
    with pytest.raises(MeasurementError, match="2: the loss is nan"):
        HessianOperator(model, cross_entropy, data()).matvec(torch.zeros(39))


def test_a_glob_that_matches_nothing_lists_what_there_is() -> None:
    with pytest.raises(InputError, match=r"no parameter matches \['fc'\]; there are 0.weight"):
        HessianOperator(net(5, 3), cross_entropy, data(), include=["fc"])


def test_half_precision_models_are_measured_in_float32() -> None:
    model = net(5, 4, 3).to(torch.bfloat16)
    operator = HessianOperator(model, cross_entropy, data())
    exact = dense_matrix(HessianOperator(copy.deepcopy(model).double(), cross_entropy, data()))
    assert operator.dtype == torch.float32
    assert np.allclose(dense_matrix(operator), exact, atol=1e-6)
    assert next(model.parameters()).dtype == torch.bfloat16


def test_a_quadratic_has_its_own_matrix() -> None:
    a = torch.randn(6, 6, generator=rng(4), dtype=torch.float64)
    model = nn.Linear(6, 1, bias=False).double()

    def energy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        theta = model.weight[0]
        return theta @ a @ theta / 2 + outputs.mean()

    found = dense_matrix(HessianOperator(model, energy, (torch.randn(3, 6, dtype=torch.float64), torch.zeros(3))))
    assert torch.allclose(found, (a + a.T) / 2)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
def test_networks_of_2500_parameters_have_the_hessian_and_the_extremes_of_torch_func(
    activation: type[nn.Module],
) -> None:
    model, (x, y) = net(20, 32, 32, 16, 10, activation=activation), data(32, 20, 10)
    names, parameters = zip(*model.named_parameters(), strict=True)

    def loss(flat: torch.Tensor) -> torch.Tensor:
        pieces = [
            part.view_as(p) for part, p in zip(flat.split([p.numel() for p in parameters]), parameters, strict=True)
        ]
        return cross_entropy(torch.func.functional_call(model, dict(zip(names, pieces, strict=True)), (x,)), y)

    flat = torch.cat([p.detach().reshape(-1) for p in parameters])
    exact = torch.func.jacrev(torch.func.grad(loss), chunk_size=256)(flat)
    operator = HessianOperator(model, cross_entropy, (x, y))
    assert operator.shape == (2426, 2426)
    columns = torch.randn(2426, 20, generator=rng(5), dtype=torch.float64)
    assert torch.allclose(operator.matmat(columns), exact @ columns, atol=1e-12)
    density = spectral_density(operator, Source(Kind.HESSIAN, "model", operator.shape), steps=64, probes=1)
    assert density.values[-1] == pytest.approx(float(torch.linalg.eigvalsh(exact)[-1]), rel=1e-5)


def test_the_trace_is_the_sum_over_blocks() -> None:
    whole = FisherOperator(net(5, 6, 3), cross_entropy, data())
    traces = [float(torch.trace(dense_matrix(whole.block(name)))) for name in whole.names]
    assert sum(traces) == pytest.approx(float(torch.trace(dense_matrix(whole))))
