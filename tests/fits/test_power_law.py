"""Power-law fits: what they find, what they refuse, and what the bootstrap adds."""

import re

import numpy as np
import pytest

from htmu_diag.errors import InputError
from htmu_diag.fits import compare, fit_power_law, fit_tail_law, fit_truncated_power_law, hill
from htmu_diag.laws import PowerLaw, TruncatedPowerLaw


def pareto(alpha, n, seed=0):
    return np.random.default_rng(seed).random(n) ** (-1 / (alpha - 1))


@pytest.mark.parametrize("alpha", [2.0, 3.0, 4.0])
def test_alpha_is_found_within_four_standard_errors(alpha):
    fit = fit_power_law(pareto(alpha, 4000), xmin=1.0)
    assert fit.status.ok
    assert abs(fit.alpha - alpha) < 4 * fit.alpha_stderr
    assert fit.alpha_stderr == pytest.approx((fit.alpha - 1) / np.sqrt(fit.n_tail))


def test_the_lower_tail_is_the_upper_tail_of_the_reciprocals():
    values = pareto(2.5, 500)
    lower, upper = fit_power_law(1 / values, tail="lower"), fit_power_law(values)
    assert lower.alpha == pytest.approx(upper.alpha, rel=1e-9)
    assert lower.exponent == pytest.approx(lower.alpha - 2)
    assert upper.exponent == -upper.alpha


def test_scale_of_the_values_changes_xmin_only():
    values = pareto(2.5, 500)
    small, large = fit_power_law(values * 1e-9), fit_power_law(values)
    assert small.alpha == pytest.approx(large.alpha, rel=1e-9)
    assert small.xmin == pytest.approx(large.xmin * 1e-9)


def test_the_bootstrap_widens_the_interval_by_the_choice_of_xmin():
    values = pareto(2.5, 400)
    plain, boot = fit_power_law(values), fit_power_law(values, bootstrap=100)
    assert boot.p_value > 0.1
    assert boot.alpha_stderr > plain.alpha_stderr
    assert boot.alpha_interval[0] < boot.alpha < boot.alpha_interval[1]


def test_the_same_seed_gives_the_same_p_value():
    values = pareto(2.5, 100)
    first = fit_power_law(values, bootstrap=40, rng=np.random.default_rng(5))
    again = fit_power_law(values, bootstrap=40, rng=np.random.default_rng(5))
    assert repr(first) == repr(again)  # from Python 3.13 on, dataclasses with a NaN in the same place are not equal


def test_an_unknown_tail_is_refused():
    with pytest.raises(InputError, match="'upper' or 'lower'"):
        fit_power_law(pareto(2, 50), tail="left")


def test_a_matrix_is_refused():
    with pytest.raises(InputError, match="one-dimensional"):
        fit_power_law(np.ones((3, 3)))


def test_a_short_tail_is_a_status():
    fit = fit_power_law(np.arange(1.0, 40.0), xmin=37.5)
    assert fit.status.code == "too_few_values"
    assert "lower xmin" in fit.status.message


def test_truncated_power_law_finds_its_own_parameters():
    values = TruncatedPowerLaw(1.8, 0.05, 2.0).rvs(4000, rng=np.random.default_rng(0))
    fit = fit_truncated_power_law(values, xmin=2.0)
    assert fit.status.ok
    for name, truth in {"alpha": 1.8, "rate": 0.05}.items():
        assert abs(fit.parameters[name] - truth) < 4 * fit.stderr[name]


def test_a_pure_power_law_has_no_cutoff_to_find():
    fit = fit_tail_law(PowerLaw(1.5).rvs(3000, rng=np.random.default_rng(1)), 1.0, "truncated_power_law")
    assert fit.parameters["rate"] < 1e-3


def test_vuong_prefers_the_true_law():
    values = TruncatedPowerLaw(1.5, 0.1).rvs(1000, rng=np.random.default_rng(2))
    truncated, exponential = compare(values, 1.0, ("power_law", "truncated_power_law", "exponential"))
    assert truncated.nested
    assert truncated.log_ratio < 0
    assert truncated.p_value < 0.01
    assert not exponential.nested


def test_hill_estimates_meet_at_the_true_index():
    plot = hill(pareto(3.0, 20000))
    at = int(np.searchsorted(plot.k, 2000))
    assert plot.hill[at] == pytest.approx(0.5, abs=4 * plot.hill_stderr[at])
    assert plot.moment[at] == pytest.approx(0.5, abs=0.1)
    assert plot.pickands[at] == pytest.approx(0.5, abs=0.25)
    assert plot.alpha[at] == pytest.approx(3.0, abs=0.2)


def test_hill_at_every_k_equals_the_definition():
    values = np.sort(pareto(2.0, 40))[::-1]
    plot = hill(values)
    k = 10
    expected = np.mean(np.log(values[:k])) - np.log(values[k])
    assert plot.hill[plot.k == k][0] == pytest.approx(expected)


def test_the_bootstrap_does_not_depend_on_the_unit_of_the_values():
    values = np.random.default_rng(1).pareto(1.5, 300) + 1
    small, huge = (fit_power_law(values * unit, bootstrap=50) for unit in (1.0, 2.0**900))
    assert huge.p_value == small.p_value
    assert huge.alpha_stderr == pytest.approx(small.alpha_stderr)


def test_a_short_heavy_tail_that_the_scan_misses_is_told_with_its_start():
    """3 % of a Pareto law of alpha 2.2 on a lognormal body: the scan settles in the body, and its power law is none."""
    rng = np.random.default_rng(2)
    body = rng.lognormal(0, 0.5, 9700)
    values = np.append(body, np.quantile(body, 0.98) * (1 - rng.random(300)) ** (-1 / 1.2))
    fit = fit_power_law(values, bootstrap=30)
    assert fit.verdict.word == "ruled out"
    assert fit.alpha > 2.8
    found = re.search(
        r"largest (\d+) values alone have alpha ([\d.]+) .* xmin of about ([\d.]+) or", fit.status.message
    )
    assert found is not None
    assert fit_power_law(values, xmin=float(found[3])).alpha == pytest.approx(2.2, abs=0.35)
    light = fit_power_law(1 + rng.lognormal(size=3000), xmin=1.5, bootstrap=30)
    assert light.verdict.word == "ruled out"
    assert "alone" not in light.status.message
