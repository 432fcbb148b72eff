"""Every test of a fit is seen to reject a law that is wrong, and to keep the one that is true."""

import numpy as np
import pytest

from htmu_diag.fits import ad_distance, fit_htmp, fit_inverse_gamma, fit_marchenko_pastur, fit_power_law, ks_distance
from htmu_diag.fits.null_table import LEAST_P
from htmu_diag.laws import HTMP, InverseGamma, MarchenkoPastur
from htmu_diag.laws.ensembles import beta_laguerre, wishart


@pytest.mark.parametrize("gamma", [0.05, 0.25, 1.0])
def test_pure_noise_is_not_a_power_law(gamma):
    rng = np.random.default_rng(0)
    fits = [fit_power_law(wishart(256, round(256 / gamma), rng=rng)) for _ in range(40)]
    assert np.mean([fit.status.code == "not_a_power_law" for fit in fits]) >= 0.95
    assert np.median([fit.alpha for fit in fits]) > 5


@pytest.mark.parametrize("alpha", [2.0, 3.0, 5.0])
def test_power_laws_are_kept(alpha):
    rng = np.random.default_rng(0)
    fits = [fit_power_law(rng.random(256) ** (-1 / (alpha - 1))) for _ in range(60)]
    assert np.mean([fit.status.ok for fit in fits]) >= 0.93


def test_the_bootstrap_rejects_a_lognormal_and_keeps_a_pareto():
    rng = np.random.default_rng(0)
    wrong, true = 1 + rng.lognormal(size=800), rng.random(800) ** (-1 / 1.5)
    assert fit_power_law(wrong, xmin=1.0, bootstrap=50).p_value < 0.05
    assert fit_power_law(true, xmin=1.0, bootstrap=50).p_value > 0.1
    assert fit_power_law(wrong, xmin=1.0, bootstrap=50).status.code == "not_a_power_law"


def test_weak_repulsion_is_not_marchenko_pastur():
    rng = np.random.default_rng(0)
    assert fit_marchenko_pastur(beta_laguerre(256, 0.5, 5.0, rng=rng), 0.5).p_value == pytest.approx(LEAST_P)
    assert fit_marchenko_pastur(wishart(256, 512, rng=rng), 0.5).p_value > 0.05


def test_htmp_rejects_a_lognormal_and_keeps_its_own_ensemble():
    rng = np.random.default_rng(0)
    assert fit_htmp(rng.lognormal(0, 1, 300), 0.5, bootstrap=40).p_value < 0.05
    assert fit_htmp(beta_laguerre(300, 0.5, 3.0, rng=rng), 0.5, bootstrap=40).p_value > 0.05


def test_inverse_gamma_rejects_a_uniform_sample_and_keeps_its_own():
    rng = np.random.default_rng(0)
    assert fit_inverse_gamma(0.01 + rng.random(300), 1.0, bootstrap=40).p_value < 0.05
    assert fit_inverse_gamma(InverseGamma(2.0).rvs(300, rng=rng), 1.0, bootstrap=40).p_value > 0.05


def test_the_interval_of_kappa_leaves_out_a_wrong_kappa():
    fit = fit_htmp(beta_laguerre(1000, 0.5, 2.0, rng=np.random.default_rng(0)), 0.5)
    low, high = fit.kappa_interval
    assert 1.0 < low < 2.0 < high < 4.0


def test_distances_tell_marchenko_pastur_from_htmp():
    values = beta_laguerre(2000, 0.5, 3.0, rng=np.random.default_rng(0))
    assert ks_distance(values, HTMP(0.5, 3.0)) < 1.36 / np.sqrt(2000)
    assert ks_distance(values, MarchenkoPastur(0.5)) > 3 / np.sqrt(2000)
    assert ad_distance(values, HTMP(0.5, 3.0)) < 2.5
    assert ad_distance(values, HTMP(0.5, 30.0)) > 10
