"""Small parts of the fits against closed forms: what a fit of data would not notice for long."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import trapezoid

from htmu_diag.errors import InputError
from htmu_diag.fits import fit_htmp, fit_inverse_gamma, fit_power_law
from htmu_diag.fits.bulk import spike_threshold
from htmu_diag.fits.bulk_null import edge_score
from htmu_diag.fits.gamma_cut import log_upper_gamma
from htmu_diag.fits.gamma_maxima import maxima
from htmu_diag.fits.gaps import gap_ratio
from htmu_diag.fits.htmp_likelihood import Likelihood
from htmu_diag.fits.law_rows import FAMILIES
from htmu_diag.fits.law_sample import samples_of
from htmu_diag.fits.maximum import maximise
from htmu_diag.fits.null_table import place
from htmu_diag.fits.repulsion import GAMMAS, KAPPAS, of_the_matrix, spread_factors
from htmu_diag.fits.spiked import strengths_above
from htmu_diag.fits.tail_end import _ended, _gains, _tops, end_statistic, end_statistics
from htmu_diag.laws import HTMP
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.laws.htmp_lattice import STEP
from htmu_diag.theory import sample_spike


def test_the_edge_of_noise_is_centred_and_scaled_as_johnstone_and_ma_say() -> None:
    n, gamma = 120, 0.3
    p, m = n - 0.5, n / gamma - 0.5
    centre = (math.sqrt(p) + math.sqrt(m)) ** 2
    width = (math.sqrt(p) + math.sqrt(m)) * (1 / math.sqrt(p) + 1 / math.sqrt(m)) ** (1 / 3)
    assert edge_score(centre * gamma / n, n, gamma) == pytest.approx(0.0, abs=1e-9)
    assert edge_score((centre + width) * gamma / n, n, gamma) == pytest.approx(1.0, rel=1e-9)


def test_the_threshold_of_spikes_rises_as_fewer_noise_values_may_pass() -> None:
    thresholds = [spike_threshold(100, 0.5, level=level) for level in (0.5, 0.05, 0.01, 0.0001)]
    assert thresholds == sorted(thresholds)
    for level in (0.00009, 0.51):
        with pytest.raises(InputError, match="level"):
            spike_threshold(100, 0.5, level=level)


def test_a_steep_tail_is_maximised_along_the_edge_too() -> None:
    y = np.random.default_rng(0).pareto(20.0, 400) + 1
    least = math.exp(-6.0)
    (shape,), _, (found,) = maxima(np.array([np.log(y).mean()]), np.array([y.mean()]), True, least)
    assert found
    assert shape == least


def test_the_error_of_the_gap_ratio_counts_the_shared_gap() -> None:
    """The variance of a mean of numbers that depend on their neighbours alone: c0 + 2 c1, over how many."""
    values = np.cumsum([1.0, 2.0, 1.0, 3.0, 2.0, 5.0, 4.0, 1.0, 1.5, 2.5, 3.5, 3.0])
    gaps = np.diff(values)
    ratios = np.minimum(gaps[1:], gaps[:-1]) / np.maximum(gaps[1:], gaps[:-1])
    off = ratios - ratios.mean()
    variance = (off**2).mean() + 2 * (off[1:] * off[:-1]).mean()
    found = gap_ratio(values)
    assert found.mean == pytest.approx(ratios.mean())
    assert found.stderr == pytest.approx(math.sqrt(max(variance, 0.0) / ratios.size))
    assert variance > 0


def test_only_whole_spectra_have_an_anderson_darling_distance() -> None:
    values = beta_laguerre(60, 0.5, 2.0, rng=np.random.default_rng(1))
    whole = fit_htmp(values, 0.5)
    assert math.isfinite(whole.ad_distance)
    assert (whole.floor, fit_inverse_gamma(1 / values).floor) == (0.0, 0.0)
    for partial in (
        fit_htmp(values, 0.5, weights=np.ones(60)),
        fit_htmp(values[20:], 0.5, dimension=60),
        fit_htmp(values, 0.5, below=float(values[50])),
    ):
        assert math.isnan(partial.ad_distance)


@pytest.fixture(scope="module")
def few() -> Likelihood:
    return Likelihood(beta_laguerre(25, 0.5, 3.0, rng=np.random.default_rng(2)), np.ones(25), 0.5)


def test_the_likelihood_is_the_sum_of_log_densities(few: Likelihood) -> None:
    for kappa, scale in ((3.0, 1.0), (0.7, 1.4)):
        expected = float(HTMP(0.5, kappa, scale).logpdf(few.values).sum())
        assert few.at(math.log(kappa), math.log(scale)) == pytest.approx(expected, abs=1e-3)


def test_the_interval_ends_where_the_profile_has_fallen_by_its_level(few: Likelihood) -> None:
    factor = 0.7
    peak = few.maximise(1.0)
    low, high = few.interval(peak, lambda u: factor, lambda u: factor)
    assert high - low > 5 * STEP
    for end in (low, high):
        inner, outer = sorted((math.floor(end / STEP), math.ceil(end / STEP)), key=lambda k: abs(k * STEP - peak.u))
        falls = [peak.log_likelihood - few._at_grid(k).height for k in (inner, outer)]
        assert falls[0] <= 1.9208 * factor**2 <= falls[1]


def test_the_upper_gamma_function_is_that_of_a_whole_shape_beyond_every_float() -> None:
    """Gamma(2, x)/Gamma(2) = (1 + x) e**-x; of shape 1 e**-x."""
    x = np.array([1.0, 30.0, 700.0, 5000.0])
    np.testing.assert_allclose(log_upper_gamma(1.0, x), -x, rtol=1e-12)
    np.testing.assert_allclose(log_upper_gamma(2.0, x), np.log1p(x) - x, rtol=1e-12)


def test_the_middle_of_a_sample_is_its_median() -> None:
    t = np.sort(np.random.default_rng(0).standard_normal(31))
    assert samples_of([t])[0].middle == pytest.approx(np.median(t))


def test_the_grid_of_kappa_reaches_from_a_hundredth_to_ten_thousand() -> None:
    for family in FAMILIES:
        if "HTMP" in family.name:
            ends = [family.shape(family.low), family.shape(family.high)]
            np.testing.assert_allclose(np.log(ends), np.log([1e-2, 1e4]), atol=STEP)


@pytest.mark.parametrize("gamma", [0.3, 0.9])
def test_a_row_of_little_spread_holds_its_mass_up_to_the_edge(gamma: float) -> None:
    free = next(family for family in FAMILIES if family.name == "FreeLognormal")
    row = free.row(gamma, free.low)
    mass, mean = (trapezoid(row.density * each, row.nodes) for each in (1.0, np.exp(row.nodes)))
    assert mass == pytest.approx(1.0, abs=5e-3)
    assert mean == pytest.approx(1.0, abs=5e-3)


def test_standard_errors_of_a_normal_sample_are_the_textbooks() -> None:
    """sd/sqrt(n) of the mean, 1/sqrt(2 n) of the log of sd, and those of sums of both: they are independent."""
    x = np.random.default_rng(0).normal(1.0, 2.0, 400)

    def log_likelihood(p: np.ndarray) -> float:
        mean, log_sd = p[0] + p[1], p[1]
        return float(-(((x - mean) / math.exp(log_sd)) ** 2).sum() / 2 - x.size * log_sd)

    found = maximise(log_likelihood, x.size, [0.5, 0.5], [(-5, 5), (-5, 5)])
    mean_error, sd_error = x.std() / 20, 1 / math.sqrt(800)
    np.testing.assert_allclose(found.stderr, [math.hypot(mean_error, sd_error), sd_error], rtol=1e-3)


def test_a_place_in_a_table_is_the_interval_and_the_way_along_it() -> None:
    grid = np.array([0.0, 1.0, 3.0])
    expected = {-1.0: (0, 0.0), 0.25: (0, 0.25), 2.0: (1, 0.5), 2.5: (1, 0.75), 9.0: (1, 1.0)}
    assert {x: place(grid, x) for x in expected} == expected


def test_repulsion_makes_errors_smaller_and_the_more_so_the_larger_kappa() -> None:
    factors = np.array([[spread_factors(gamma, kappa) for kappa in KAPPAS] for gamma in GAMMAS])
    assert ((factors > 0.3) & (factors <= 1.0)).all()
    assert (np.diff(factors, axis=1) < 0.08).all()
    assert (np.diff(factors[:, :, 1], axis=1) < 0.01).all()


@pytest.mark.parametrize("gamma", [0.01, 0.1, 0.6])
def test_spikes_beside_a_bulk_have_the_strengths_that_made_them(gamma: float) -> None:
    theta = np.array([1.2, 3.0, 20.0]) * math.sqrt(gamma)
    spikes = np.array([sample_spike(each, gamma) for each in theta])
    np.testing.assert_allclose(strengths_above(spikes, gamma), theta, rtol=1e-12)


def test_replicates_of_a_tail_from_a_given_start_follow_its_power_law() -> None:
    values = np.random.default_rng(7).pareto(1.5, 300) + 1  # p is 0.86 of 20,000 replicates
    fit = fit_power_law(values, xmin=1.0, bootstrap=100, rng=np.random.default_rng(0))
    assert fit.p_value > 0.05
    assert fit.alpha_stderr == pytest.approx((fit.alpha - 1) / math.sqrt(300), rel=0.25)


@pytest.mark.parametrize("index", [1.0, 0.4])
def test_a_gain_is_twice_the_difference_of_two_log_likelihoods(index: float) -> None:
    values = np.sort(np.random.default_rng(0).random(80) + 1)
    law = replace(_ended([values])[0], index=index)
    gains = []
    for k in _tops(80):
        y, room = law.logs[-k:] - law.logs[-k], law.end - law.logs[-k]
        power = -k * math.log(y.mean()) - k
        ended = k * -math.log(law.index * room) + (1 / law.index - 1) * np.log1p(-y / room).sum()
        gains.append(2 * (power - ended))
    assert _gains([(law, 80)]) == pytest.approx([max(gains)], rel=1e-9)


def test_an_end_does_not_depend_on_the_samples_beside_it() -> None:
    rng = np.random.default_rng(0)
    given = [(np.sort(rng.random(n) + 1), n // 3, n == 40) for n in (9, 30, 40, 700, 6000, 80)]
    alone = [end_statistic(values, start, own_only=own) for values, start, own in given]
    assert sum(one > 3 for one in alone) >= 3
    assert end_statistics(given) == alone
    assert end_statistics(given[::-1]) == alone[::-1]
    assert end_statistics([]) == []


def test_whole_numbers_from_a_low_start_are_told() -> None:
    counts = np.random.default_rng(0).zipf(2.5, 3000).astype(float)
    assert "whole numbers" in fit_power_law(counts, xmin=1.0).status.message
    assert "whole numbers" not in fit_power_law(counts * 1.37, xmin=1.37).status.message


def test_a_kappa_of_the_law_and_of_the_matrix_model_tend_to_each_other_and_end_at_twice_n() -> None:
    assert of_the_matrix(0.0, 41.0) == 0
    assert of_the_matrix(1e-3, 41.0) == pytest.approx(1e-3, rel=1e-4)
    assert of_the_matrix(1e9, 41.0) == pytest.approx(82.0, rel=1e-6)
    assert 1 / of_the_matrix(3.0, 41.0) == pytest.approx(1 / 3 + 1 / 82)
