"""HTMP fits: recovery, orientation, floors, weights, censoring."""

import numpy as np
import pytest

from htmu_diag.errors import InputError
from htmu_diag.fits import fit_htmp, fit_inverse_gamma, gap_ratio
from htmu_diag.laws import HTMP, InverseGamma, InverseHTMP
from htmu_diag.laws.ensembles import beta_laguerre, wishart


@pytest.mark.parametrize(("gamma", "kappa"), [(0.25, 0.3), (0.25, 4.0), (0.5, 20.0), (1.0, 1.0)])
def test_kappa_and_scale_are_recovered(gamma, kappa):
    fit = fit_htmp(beta_laguerre(1500, gamma, kappa, rng=np.random.default_rng(0), scale=3.0), gamma)
    assert fit.status.ok
    assert abs(np.log(fit.kappa / kappa)) < 4 * fit.kappa_stderr / fit.kappa
    assert abs(np.log(fit.scale / 3.0)) < 4 * fit.stderr["scale"] / fit.scale
    assert fit.kappa_interval[0] < fit.kappa < fit.kappa_interval[1]


def test_no_nearby_parameters_are_likelier():
    values = beta_laguerre(400, 0.5, 3.0, rng=np.random.default_rng(1))
    fit = fit_htmp(values, 0.5)
    for kappa in (0.98, 1.0, 1.02):
        for scale in (0.995, 1.0, 1.005):
            law = HTMP(0.5, fit.kappa * kappa, fit.scale * scale)
            assert law.logpdf(values).sum() <= fit.log_likelihood + 1e-6


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("unseen", [0, 100])
@pytest.mark.parametrize("orientation", ["direct", "inverse"])
def test_no_parameters_far_away_are_likelier(seed, unseen, orientation):
    """The search in strides may not stop on a slope or pass the maximum: against a coarse grid over everything."""
    rng = np.random.default_rng(seed)
    gamma, kappa = rng.uniform(0.1, 1), np.exp(rng.uniform(np.log(0.1), np.log(100)))
    values = beta_laguerre(100, gamma, kappa, rng=rng) * np.exp(0.5 * rng.normal(size=100))
    fit = fit_htmp(values, gamma, orientation=orientation, dimension=100 + unseen)
    law = HTMP if orientation == "direct" else InverseHTMP
    best = -np.inf
    for kappa in np.exp(np.arange(-6, 9.25, 0.5)):
        for scale in fit.scale * np.exp(np.arange(-8, 8.25, 0.5)):
            candidate = law(gamma, kappa, scale)
            hidden = unseen * candidate.logcdf(values.min()) if unseen else 0.0
            best = max(best, candidate.logpdf(values).sum() + hidden)
    assert fit.log_likelihood >= best - 1e-6 or fit.status.code == "at_boundary"


@pytest.mark.parametrize("seed", [4, 11])
def test_values_narrower_than_marchenko_pastur_have_their_likeliest_kappa(seed):
    """At large kappa their profile is nearly flat, with a second, lower maximum: a search from there ends in it."""
    values = np.exp(0.5 * np.random.default_rng(seed).standard_normal(300))
    fit = fit_htmp(values, 1.0)
    for kappa in np.exp(np.arange(0, 9.25, 0.25)):
        best = max(HTMP(1.0, kappa, scale).logpdf(values).sum() for scale in values.mean() * np.linspace(0.8, 1.2, 41))
        assert fit.log_likelihood > best - 0.2


def test_two_groups_of_values_repel_little():
    rng = np.random.default_rng(0)
    fit = fit_htmp(np.concatenate([rng.random(150) + 0.5, 1000 + rng.random(150)]), 1.0)
    assert fit.status.ok
    assert fit.kappa < 5


@pytest.mark.filterwarnings("error")
def test_the_top_of_a_huge_inverse_spectrum_and_a_scale_beyond_every_float_end_in_a_status():
    fit_htmp(np.random.default_rng(0).pareto(1.5, 50) + 1, 1.0, orientation="inverse", dimension=10**9)
    rng = np.random.default_rng(3)
    values, weights = rng.random(60) * 1e-280, rng.random(60) + 0.1
    assert not fit_htmp(values, 0.5, orientation="inverse", weights=weights, dimension=3000).status.ok


def test_the_inverse_fit_is_the_direct_fit_of_the_reciprocals():
    values = beta_laguerre(300, 0.5, 3.0, rng=np.random.default_rng(1))
    direct, inverse = fit_htmp(values, 0.5), fit_htmp(1 / values, 0.5, orientation="inverse")
    assert inverse.kappa == pytest.approx(direct.kappa, rel=1e-6)
    assert inverse.scale == pytest.approx(1 / direct.scale, rel=1e-6)
    assert inverse.tail_exponent == pytest.approx(1 + direct.kappa / 2)
    assert np.isnan(direct.tail_exponent)


@pytest.mark.parametrize("inverse", [False, True])
def test_auto_finds_the_orientation_and_reports_both(inverse):
    values = beta_laguerre(300, 0.5, 3.0, rng=np.random.default_rng(1))
    fit = fit_htmp(1 / values if inverse else values, 0.5, orientation="auto")
    assert fit.family == ("InverseHTMP" if inverse else "HTMP")
    assert set(fit.alternatives) == {"HTMP", "InverseHTMP"}
    assert fit.log_likelihood == max(fit.alternatives.values())


def test_a_known_floor_is_subtracted():
    values = beta_laguerre(300, 0.5, 3.0, rng=np.random.default_rng(1))
    plain, shifted = fit_htmp(values, 0.5), fit_htmp(values + 0.7, 0.5, floor=0.7)
    assert shifted.kappa == pytest.approx(plain.kappa, rel=1e-6)
    assert shifted.floor == 0.7


def test_the_fitted_floor_is_no_less_likely_than_the_true_one():
    values = beta_laguerre(400, 0.5, 8.0, rng=np.random.default_rng(1)) + 0.7
    fit = fit_htmp(values, 0.5, floor="fit")
    assert 0 < fit.floor < values.min()
    assert fit.log_likelihood >= fit_htmp(values, 0.5, floor=0.7).log_likelihood - 1e-3


def test_equal_masses_change_nothing_but_the_note():
    values = beta_laguerre(200, 0.5, 3.0, rng=np.random.default_rng(1))
    plain, weighted = fit_htmp(values, 0.5), fit_htmp(values, 0.5, weights=np.ones(200))
    assert weighted.kappa == pytest.approx(plain.kappa, rel=1e-9)
    assert "weighted likelihood" in weighted.status.message


def test_a_quadrature_rule_of_the_law_gives_the_law_back():
    law = HTMP(0.5, 3.0)
    levels = (np.arange(64) + 0.5) / 64
    fit = fit_htmp(law.ppf(levels), 0.5, weights=np.full(64, 1000 / 64))
    assert fit.kappa == pytest.approx(3.0, rel=0.1)


def test_the_largest_eigenvalues_alone_are_a_censored_sample():
    values = beta_laguerre(1500, 0.5, 3.0, rng=np.random.default_rng(2))
    fit = fit_htmp(values[-300:], 0.5, dimension=1500)
    assert "censored" in fit.status.message
    assert abs(np.log(fit.kappa / 3.0)) < 4 * fit.kappa_stderr / fit.kappa
    assert abs(np.log(fit.scale)) < 0.3


def test_one_value_that_is_not_given_makes_the_errors_those_of_a_censored_sample():
    values = beta_laguerre(300, 0.5, 3.0, rng=np.random.default_rng(4))[1:]
    whole, one, two = (fit_htmp(values, 0.5, dimension=size) for size in (299, 300, 301))
    errors = [fit.kappa_stderr / fit.kappa for fit in (whole, one, two)]
    assert errors[1] == pytest.approx(errors[2], rel=0.05)
    assert errors[1] > 1.15 * errors[0]


def test_the_p_value_of_a_censored_sample_keeps_its_law_and_rejects_a_wrong_one():
    true = beta_laguerre(120, 0.5, 3.0, rng=np.random.default_rng(2))
    assert fit_htmp(true[-80:], 0.5, dimension=120, bootstrap=19).p_value > 0.05
    wrong = np.sort(np.random.default_rng(0).lognormal(0, 1, 400))
    assert fit_htmp(wrong[-300:], 0.5, dimension=400, bootstrap=19).p_value == 0.05


def test_resolution_says_which_small_values_are_rounding():
    """Square matrices have values far below what an eigenvalue solver resolves; exact ones carry information."""
    values = beta_laguerre(400, 1.0, 2.0, rng=np.random.default_rng(0))
    rounded = values + 1e-17 * values[-1] * np.random.default_rng(1).random(400)
    exact, default = fit_htmp(values, 1.0, resolution=0.0), fit_htmp(rounded, 1.0)
    assert default.n < exact.n == 400
    assert abs(np.log(exact.kappa / 2.0)) < 4 * exact.kappa_stderr / exact.kappa
    assert abs(np.log(default.kappa / 2.0)) < 4 * default.kappa_stderr / default.kappa
    fooled = fit_htmp(rounded, 1.0, resolution=0.0)
    assert fooled.ks_distance > 1.3 * default.ks_distance


def test_noise_runs_into_the_marchenko_pastur_end():
    fit = fit_htmp(wishart(300, 600, rng=np.random.default_rng(0)), 0.5)
    assert fit.kappa > 100
    assert fit.kappa_interval[0] > 20


def test_gamma_outside_its_domain_is_refused():
    with pytest.raises(InputError, match="gamma"):
        fit_htmp(np.arange(1.0, 30.0), 1.5)


@pytest.mark.parametrize("fraction", [1.0, 0.5])
def test_inverse_gamma_is_recovered(fraction):
    values = InverseGamma(2.5, 3.0).rvs(5000, rng=np.random.default_rng(0))
    fit = fit_inverse_gamma(values, fraction)
    assert fit.status.ok
    for name, truth in {"shape": 2.5, "scale": 3.0}.items():
        assert abs(fit.parameters[name] - truth) < 4 * fit.stderr[name]


def test_inverse_gamma_does_not_look_above_its_part():
    values = np.sort(InverseGamma(2.5, 3.0).rvs(1000, rng=np.random.default_rng(0)))
    disturbed = values.copy()
    disturbed[600:] *= 100
    assert fit_inverse_gamma(values, 0.5).parameters == fit_inverse_gamma(disturbed, 0.5).parameters


def test_gap_ratio_tells_repulsion_from_independence():
    rng = np.random.default_rng(0)
    independent = gap_ratio(rng.random(2000))
    repelled = gap_ratio(wishart(2000, 4000, rng=rng))
    assert independent.mean == pytest.approx(0.3863, abs=4 * independent.stderr)
    assert repelled.mean == pytest.approx(0.5307, abs=4 * repelled.stderr)


def test_zeros_to_rounding_are_counted_in_the_sentence() -> None:
    found = fit_htmp(np.r_[np.zeros(16), 1.0, 2.0, 3.0, 4.0], 1.0)
    assert found.status.message.startswith("16 of 20 values are zero to rounding")
