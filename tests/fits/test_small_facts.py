"""Closed forms and boundaries of the fits' small parts."""

import math

import numpy as np
import pytest

from htmu_diag.fits import fit_power_law
from htmu_diag.fits.checked_sample import checked_sample
from htmu_diag.fits.hill import hill
from htmu_diag.fits.intervals import normal_interval
from htmu_diag.fits.inverse_gamma import log_upper_gamma
from htmu_diag.fits.repulsion import GAMMAS, KAPPAS


def test_a_normal_interval_lies_around_its_estimate_and_holds_95_percent() -> None:
    low, high = normal_interval(3.0, 0.5)
    assert low + high == pytest.approx(6.0)
    assert math.erf((high - low) / (2 * 0.5) / math.sqrt(2)) == pytest.approx(0.95)


def test_five_different_values_are_a_sample_and_four_are_none() -> None:
    assert checked_sample(np.repeat([1.0, 2.0, 3.0, 4.0, 5.0], 20)).status.ok
    assert not checked_sample(np.repeat([1.0, 2.0, 3.0, 4.0], 25)).status.ok


def test_what_a_power_law_cannot_take_is_called_zero_or_negative() -> None:
    assert "2 of 22 values are zero or negative" in fit_power_law(np.arange(-1.0, 21.0)).status.message


@pytest.mark.parametrize("x", [2.0, 700.0, 5000.0])
def test_the_upper_gamma_function_of_three_is_a_polynomial_times_an_exponential(x: float) -> None:
    expected = -x + math.log1p(x + x * x / 2)
    assert log_upper_gamma(3.0, np.array([x]))[0] == pytest.approx(expected, rel=1e-12)


def test_pickands_needs_four_times_as_many_values() -> None:
    estimates = hill(2.0 ** np.arange(12.0)).pickands
    assert np.isfinite(estimates).tolist() == [True, True] + [False] * (estimates.size - 2)


def test_the_table_of_repulsion_is_over_ratios_and_lengths_in_order() -> None:
    assert 0 < GAMMAS[0] < GAMMAS[-1] == 1
    assert np.all(np.diff(GAMMAS) > 0)
    assert np.all(np.diff(KAPPAS) > 0)
