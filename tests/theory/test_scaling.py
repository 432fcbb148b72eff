"""Exponents of spectra, targets and learning curves."""

import numpy as np
import pytest

from htmu_diag.errors import InputError
from htmu_diag.theory.learning_curve import expected_errors, power_law_slope
from htmu_diag.theory.scaling import Exponent, learning_exponent, rank_exponent, target_exponent


@pytest.mark.parametrize("a", [0.7, 1.0, 1.5, 2.0])
def test_the_rank_exponent_of_a_power_law_is_its_own_and_agrees_with_its_density(a: float) -> None:
    values = np.arange(1, 2001) ** -a
    found = rank_exponent(values)
    assert found.value == pytest.approx(a, abs=1e-6)
    assert Exponent.of_tail(1 + 1 / a).value == pytest.approx(found.value)


def test_the_rank_exponent_of_samples_is_right_within_its_scatter() -> None:
    rng = np.random.default_rng(0)
    scale = np.arange(1, 1001) ** -0.75
    found = []
    for _ in range(10):
        features = rng.standard_normal((500, 1000)) * scale
        found.append(rank_exponent(np.linalg.eigvalsh(features @ features.T / 500)).value)
    assert np.mean(found) == pytest.approx(1.5, abs=0.08)


def test_the_target_exponent_is_read_from_the_power_left() -> None:
    rng = np.random.default_rng(1)
    power = np.arange(1, 20001) ** -2.2 * rng.standard_normal(20000) ** 2
    assert target_exponent(power, (5, 500)).value == pytest.approx(2.2, abs=0.15)


@pytest.mark.parametrize(("a", "b"), [(1.2, 1.6), (1.5, 2.0), (1.2, 5.0)])
def test_the_learning_exponent_is_the_slope_of_the_expected_errors_far_out(a: float, b: float) -> None:
    ranks = np.arange(1.0, 200_001.0)
    sizes = np.array([100.0, 200.0, 400.0])
    errors = np.array([expected_errors(ranks**-a, ranks**-b, n).test for n in sizes])
    wanted = learning_exponent(Exponent(a), Exponent(b)).value
    assert power_law_slope(sizes, errors) == pytest.approx(wanted, abs=0.12)


def test_the_error_of_the_minimum_is_that_of_two_normal_variables() -> None:
    rng = np.random.default_rng(2)
    for a, b in ((1.0, 3.1), (0.6, 3.0), (2.0, 2.0)):
        drawn = np.minimum(b + 0.3 * rng.standard_normal(200_000) - 1, 2 * (a + 0.2 * rng.standard_normal(200_000)))
        found = learning_exponent(Exponent(a, 0.2), Exponent(b, 0.3))
        assert found.stderr == pytest.approx(drawn.std(), rel=0.02)


def test_too_few_values_have_no_exponent_and_a_thin_tail_none_of_rank() -> None:
    assert np.isnan(rank_exponent([3.0, 2.0, 1.0]).value)
    with pytest.raises(InputError, match="above 1"):
        Exponent.of_tail(0.9)
