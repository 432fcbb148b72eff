"""The free energy's closed forms against direct minimisation."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from htmu_diag.errors import InputError
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.laws.log_gap import log_gap
from htmu_diag.theory.free_energy import SpectrumSize, free_energy, least_free_energy


def test_the_least_free_energy_is_found_by_minimising_over_the_precision() -> None:
    values = np.random.default_rng(0).lognormal(1.0, 0.8, 400)
    found = minimize_scalar(lambda t: free_energy(values, math.exp(t)), bounds=(-8, 8), method="bounded")
    assert found.fun == pytest.approx(least_free_energy(values), abs=1e-9)
    assert math.exp(found.x) == pytest.approx(1 / values.mean(), rel=1e-3)
    assert least_free_energy(3 * values) == pytest.approx(least_free_energy(values))


@pytest.mark.parametrize(("kappa", "gamma", "floor", "precision"), [(1.5, 0.5, 0.0, 0.7), (6.0, 0.3, 0.4, 3.0)])
def test_the_best_size_is_where_the_free_energy_of_the_law_is_least(
    kappa: float, gamma: float, floor: float, precision: float
) -> None:
    unit = beta_laguerre(400, gamma, kappa, rng=np.random.default_rng(1)) * kappa / (2 * gamma)  # mean kappa/(2 gamma)
    size = SpectrumSize(kappa, gamma, scale=1.3, floor=floor, precision=precision)
    c = floor * size.rate
    found = minimize_scalar(
        lambda t: free_energy((c + unit) * math.exp(t) / kappa, precision), bounds=(-9, 9), method="bounded"
    )
    mean = unit.mean() * 2 * gamma / kappa  # of this sample instead of the law's one
    assert math.exp(found.x) == pytest.approx(
        size.h_best * (kappa + 2 * gamma * c) / (kappa * mean + 2 * gamma * c), rel=1e-3
    )
    assert size.ratio == pytest.approx(precision * (size.scale + floor))
    assert size.h == pytest.approx(2 * gamma * 1.3)


def test_the_free_energy_at_any_precision_is_its_least_plus_what_the_scale_costs() -> None:
    values = np.random.default_rng(2).gamma(2.0, 1.0, 50)
    for precision in (0.1, 1.0, 7.0):
        excess = (precision * values.mean() - 1 - math.log(precision * values.mean())) / 2
        assert free_energy(values, precision) == pytest.approx(least_free_energy(values) + excess)
    assert free_energy(np.array([1.0, 0.0]), 1.0) == math.inf == log_gap([1.0, 0.0])
    with pytest.raises(InputError, match="positive"):
        free_energy(values, 0.0)
