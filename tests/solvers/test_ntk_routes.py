"""Both routes to the kernel's spectrum agree, and the cost model picks the one that is cheaper."""

import numpy as np
import pytest
import torch
from torch import nn

from htmu_diag.errors import InputError
from htmu_diag.solvers.ntk import NTKCost, full_ntk_spectrum, ntk_cost


def problem(n: int = 20) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 3)).double()
    return model, torch.randn(n, 6, dtype=torch.float64)


def test_the_largest_eigenvalues_by_products_equal_those_of_the_kernel() -> None:
    model, x = problem()
    exact = full_ntk_spectrum(model, x, method="exact")
    largest = full_ntk_spectrum(model, x, k=4, method="top_k")
    assert np.allclose(largest.values, exact.values[-4:], rtol=1e-6)
    assert largest.is_censored
    assert largest.dimension == exact.dimension == 60
    assert largest.source.shape == exact.source.shape


def test_the_cost_model_takes_products_where_the_kernel_is_large_and_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, x = problem()
    found = full_ntk_spectrum(model, x, k=2, memory=20_000, verbose=True)
    assert found.is_censored
    assert "top_k" in capsys.readouterr().out
    assert ntk_cost(model, x, None).choice == "exact"


@pytest.mark.parametrize(("exact", "products", "choice"), [(1.0, 2.0, "exact"), (2.0, 1.0, "top_k")])
def test_the_cheaper_route_is_chosen(exact: float, products: float, choice: str) -> None:
    assert NTKCost(100, 5, exact, products, 35).choice == choice
    assert choice in str(NTKCost(100, 5, exact, products, 35))


def test_top_k_without_k_is_refused() -> None:
    model, x = problem()
    with pytest.raises(InputError, match="needs k"):
        full_ntk_spectrum(model, x, method="top_k")
