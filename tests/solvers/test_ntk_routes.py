"""Both routes to the kernel's spectrum agree, and the cost model picks the one that is cheaper."""

import numpy as np
import pytest
import torch
from torch import nn

from htmu_diag.errors import InputError, MeasurementError
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


@pytest.mark.parametrize(
    ("exact", "products", "k", "choice"),
    [(1.0, 2.0, 5, "exact"), (2.0, 1.0, 5, "top_k"), (1.0, 2.0, None, "exact"), (2.0, 1.0, None, "slq")],
)
def test_the_cheaper_route_is_chosen(exact: float, products: float, k: int | None, choice: str) -> None:
    cost = NTKCost(100, k, exact, products, 35)
    assert cost.choice == choice
    assert f"chosen: {choice}" in str(cost)


def test_the_density_by_products_has_the_moments_and_the_outlier_of_the_kernel() -> None:
    model, x = problem(60)
    exact = full_ntk_spectrum(model, x, method="exact")
    density = full_ntk_spectrum(model, x, method="slq")
    assert density.estimator.method == "quadrature"
    assert density.dimension == exact.dimension == 180
    assert density.values[-1] == pytest.approx(exact.values[-1], rel=1e-6)
    rounding = 1e-14 * exact.trace()
    assert density.trace() == pytest.approx(exact.trace(), abs=4 * density.scalars["trace_stderr"] + rounding)
    grid = np.geomspace(exact.values[-1] / 1e3, exact.values[-1], 50)
    mass = [density.masses[density.values <= level].sum() for level in grid]
    assert np.abs(np.array(mass) - np.searchsorted(exact.values, grid, side="right") / 180).max() < 0.08


def test_a_kernel_that_does_not_fit_is_replaced_by_products() -> None:
    model, x = problem()
    found = full_ntk_spectrum(model, x, memory=20_000)
    assert found.estimator.method == "quadrature"
    assert found.trace() == pytest.approx(full_ntk_spectrum(model, x).trace(), rel=0.3)
    with pytest.raises(MeasurementError, match="ntk_operator"):
        full_ntk_spectrum(model, x, method="exact", memory=20_000)


def test_top_k_without_k_is_refused() -> None:
    model, x = problem()
    with pytest.raises(InputError, match="needs k"):
        full_ntk_spectrum(model, x, method="top_k")
