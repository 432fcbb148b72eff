"""Kendall's tau over pairs, strata and controls, against scipy and against truth."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from htmu_diag.errors import InputError
from htmu_diag.fits.rank_correlation import partial_tau, rank_correlations, tau


def test_tau_is_scipys_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(40), rng.integers(0, 4, 40).astype(float)
    assert tau(x, y) == pytest.approx(kendalltau(x, y).statistic)
    assert tau(y, y) == pytest.approx(1.0)
    assert np.isnan(tau(x, np.ones(40)))


def test_a_stratified_tau_counts_only_pairs_of_one_stratum() -> None:
    strata = np.repeat(np.arange(6), 8)
    rng = np.random.default_rng(1)
    inside = rng.standard_normal(48)
    x, y = inside + 100 * strata, inside - 100 * strata  # Simpson's paradox: all pairs disagree, each stratum agrees
    assert tau(x, y, strata) == pytest.approx(1.0)
    assert tau(x, y) < -0.5


def test_the_partial_tau_of_one_control_is_kendalls_formula_and_removes_a_common_cause() -> None:
    rng = np.random.default_rng(2)
    cause = rng.standard_normal(300)
    x, y = cause + 0.3 * rng.standard_normal(300), cause + 0.3 * rng.standard_normal(300)
    taus = np.array([[tau(a, b) for b in (x, y, cause)] for a in (x, y, cause)])
    xy, xz, yz = taus[0, 1], taus[0, 2], taus[1, 2]
    assert partial_tau(taus) == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)), rel=1e-4)
    (found,) = rank_correlations({"x": x}, y, {"cause": cause}, permutations=99, resamples=60)
    assert found.tau > 0.6
    assert abs(found.partial) < 0.35
    assert found.partial_low < found.partial < found.partial_high


def test_p_values_are_uniform_under_the_null_and_the_correction_controls_the_family() -> None:
    """Sixty tables of ten metrics that have nothing to do with the target."""
    rng = np.random.default_rng(3)
    single, family = [], []
    for _ in range(60):
        metrics = {f"m{i}": rng.standard_normal(20) for i in range(10)}
        found = rank_correlations(metrics, rng.standard_normal(20), permutations=199, resamples=0, rng=rng)
        single += [one.p for one in found]
        family.append(min(one.p_corrected for one in found))
    assert np.mean(np.array(single) <= 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(family) <= 0.05) < 0.14
    assert np.mean([min(p) for p in np.array(single).reshape(60, 10)] <= np.float64(0.05)) > 0.25  # without correction


@pytest.mark.parametrize("turned", [False, True])
def test_ties_leave_the_p_value_of_the_exact_permutation_test(turned: bool) -> None:
    """Of C(8, 4) = 70 ways to give four of eight places to one setting, two are as extreme as the perfect order."""
    settings, places = np.repeat([0.0, 1.0], 4), np.arange(8.0)
    x, y = (settings, places) if turned else (places, settings)
    (found,) = rank_correlations({"x": x}, y, permutations=3999, resamples=0)
    assert found.p == pytest.approx(2 / 70, abs=4 * np.sqrt(2 / 70 / 4000))


def test_a_real_correlation_is_found_with_an_interval_that_covers_it() -> None:
    rng = np.random.default_rng(4)
    y = rng.standard_normal(60)
    x = 0.9 * y + np.sqrt(1 - 0.81) * rng.standard_normal(60)  # tau = 2/pi asin(0.9)
    (found,) = rank_correlations({"x": x}, y, permutations=199)
    assert found.low < 2 / np.pi * np.arcsin(0.9) < found.high
    assert found.p_corrected == pytest.approx(1 / 200)


def test_missing_numbers_cost_their_own_pairs_only() -> None:
    y = np.arange(12.0)
    x = y.copy()
    x[3] = np.nan
    found = rank_correlations({"x": x, "none": np.full(12, np.nan)}, y, permutations=99, resamples=50)
    assert (found[0].tau, found[0].n) == (pytest.approx(1.0), 11)
    assert np.isnan(found[1].tau)
    assert np.isnan(found[1].p)
    with pytest.raises(InputError, match="one value for each run"):
        rank_correlations({"x": x[:5]}, y)
