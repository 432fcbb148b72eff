"""Closed forms and boundaries of the fits' small parts."""

import itertools
import math

import numpy as np
import pytest

from htmu_diag.fits import fit_power_law, repulsion
from htmu_diag.fits.checked_sample import checked_ascending, checked_sample
from htmu_diag.fits.gamma_cut import log_upper_gamma
from htmu_diag.fits.gaps import gap_ratios
from htmu_diag.fits.hill import hill
from htmu_diag.fits.intervals import normal_interval
from htmu_diag.fits.law_ranking import rank_laws_of
from htmu_diag.fits.marchenko_pastur import fit_marchenko_pasturs
from htmu_diag.fits.power_law import AskedTail, fit_power_laws
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


@pytest.mark.parametrize(("row", "gamma"), list(enumerate((0.1, 0.25, 0.5, 0.75, 1.0))))
@pytest.mark.parametrize("column", range(6))
def test_factors_at_the_ratios_and_kappas_that_were_measured_are_those_of_the_table(
    row: int, gamma: float, column: int
) -> None:
    """Between two of them they lie between theirs, and beyond the last ratio they are the last one's."""
    kappa = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)[column]
    expected = (repulsion._LOG_KAPPA[row][column], repulsion._LOG_SCALE[row][column])
    assert repulsion.spread_factors(gamma, kappa) == pytest.approx(expected, rel=1e-12)
    beside = repulsion._LOG_KAPPA[row][column + 1]
    between = repulsion.spread_factors(gamma, kappa * 1.3)[0]
    assert min(expected[0], beside) <= between <= max(expected[0], beside)


def test_fits_stray_beyond_a_normal_estimate_near_noise_alone_and_most_below_half_of_it() -> None:
    """At the shares of kappa in n that were measured; between two of them it lies between theirs."""
    shares = (0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
    found = [repulsion.skewness(500.0 * share, 500.0) for share in shares]
    assert found == pytest.approx(repulsion._SKEWNESS, rel=1e-12)
    between = [repulsion.skewness(500.0 * math.sqrt(a * b), 500.0) for a, b in itertools.pairwise(shares)]
    assert all(min(a, b) <= x <= max(a, b) for x, (a, b) in zip(between, itertools.pairwise(found), strict=True))


@pytest.mark.parametrize("wrong", [None, 0.0, -1.0, math.nan])
def test_a_sample_that_was_checked_has_the_fits_of_its_values(wrong: float | None) -> None:
    """Also where it cannot be fitted: zeros are no values of a tail, but of a bulk."""
    values = np.sort(np.random.default_rng(4).gamma(2, size=60))
    if wrong is not None:
        values[:2] = wrong
        values.sort()
    sample = checked_ascending(values)
    assert sample.status.ok == (wrong is None)
    for fits in (
        lambda given: gap_ratios([given]),
        lambda given: fit_marchenko_pasturs([(given, 0.5)]),
        lambda given: rank_laws_of([(given, 0.5)]),
        lambda given: fit_power_laws([AskedTail(given), AskedTail(given, tail="lower")]),
    ):
        assert repr(fits(sample)) == repr(fits(values))
