"""curvlinops, hessian-eigenthings and PyHessian as oracles for products, where they are installed and right."""

import importlib
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from htmu_diag.operators.fisher import FisherOperator
from htmu_diag.operators.ggn import GGNOperator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.solvers.dense import dense_matrix
from htmu_diag.solvers.eigenpairs import top_k

SIZES = (30, 30, 4)


def model(activation: type[nn.Module] = nn.Tanh) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), activation(), nn.Linear(7, 3)).double()


def batches() -> list[tuple[torch.Tensor, torch.Tensor]]:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(sum(SIZES), 5, generator=rng, dtype=torch.float64)
    y = torch.randint(0, 3, (sum(SIZES),), generator=rng)
    ends = np.cumsum([0, *SIZES])
    return [(x[a:b], y[a:b]) for a, b in itertools.pairwise(ends)]


def matrix_of(operator: Any) -> torch.Tensor:
    size = operator.shape[0]
    return torch.stack([operator @ column for column in torch.eye(size, dtype=torch.float64)], dim=1)


@pytest.mark.parametrize("activation", [nn.Tanh, nn.ReLU])
@pytest.mark.parametrize("kind", ["Hessian", "GGN", "Fisher"])
def test_curvlinops_has_the_same_matrix_on_ragged_batches(kind: str, activation: type[nn.Module]) -> None:
    curvlinops = pytest.importorskip("curvlinops")
    net, data = model(activation), batches()
    theirs = {"Hessian": "HessianLinearOperator", "GGN": "GGNLinearOperator", "Fisher": "GGNLinearOperator"}[kind]
    ours: Any = {"Hessian": HessianOperator, "GGN": GGNOperator, "Fisher": FisherOperator}[kind]
    loss = nn.CrossEntropyLoss()
    parameters = dict(net.named_parameters())
    try:
        oracle = getattr(curvlinops, theirs)(net, loss, parameters, data)
    except (TypeError, AttributeError):  # before 3.1 parameters are a list
        oracle = getattr(curvlinops, theirs)(net, loss, list(parameters.values()), data)
    assert torch.allclose(dense_matrix(ours(net, loss, data)), matrix_of(oracle), atol=1e-12)


def test_curvlinops_has_the_same_empirical_fisher() -> None:
    curvlinops = pytest.importorskip("curvlinops")
    net, data, loss = model(), batches(), nn.CrossEntropyLoss()
    oracle = curvlinops.EFLinearOperator(net, loss, list(net.parameters()), data)
    ours = dense_matrix(FisherOperator(net, loss, data, kind="empirical"))
    assert torch.allclose(ours, matrix_of(oracle), atol=1e-12)


def test_hessian_eigenthings_has_the_same_product_on_one_batch() -> None:
    tool = pytest.importorskip("hessian_eigenthings")
    net, (batch, *_) = model(), batches()
    oracle = tool.HessianOperator(net, [batch], tool.supervised_loss(cross_entropy))
    ours = HessianOperator(net, cross_entropy, batch)
    v = torch.randn(ours.shape[0], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.allclose(ours.matvec(v), oracle.matvec(v), rtol=1e-5, atol=1e-7)


def test_pyhessian_has_the_same_largest_eigenvalue() -> None:
    tool = pytest.importorskip("pyhessian")
    net, (batch, *_) = model().float(), batches()
    batch = (batch[0].float(), batch[1])
    value = tool.hessian(net, cross_entropy, data=batch, cuda=False).eigenvalues(maxIter=500, tol=1e-7)[0][0]
    assert top_k(HessianOperator(model().float(), cross_entropy, batch), 1).values[0] == pytest.approx(value, rel=1e-3)


def test_scipy_finds_the_same_extreme_eigenvalues() -> None:
    sparse = importlib.import_module("scipy.sparse.linalg")
    operator = HessianOperator(model(), cross_entropy, batches())
    as_scipy = sparse.LinearOperator(
        operator.shape, matvec=lambda v: operator.matvec(torch.as_tensor(v).reshape(-1)).numpy(), dtype=np.float64
    )
    expected = np.sort(
        sparse.eigsh(as_scipy, k=5, which="LA", return_eigenvectors=False, v0=np.ones(operator.shape[0]))
    )
    assert np.allclose(top_k(operator, 5).values, expected, rtol=1e-8)
