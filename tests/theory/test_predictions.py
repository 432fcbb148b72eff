"""Measured and predicted alpha on the same part of the spectrum."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from htmu_diag.fits import fit_htmp, fit_power_law
from htmu_diag.laws import HTMP, InverseHTMP, MarchenkoPastur, PowerLaw
from htmu_diag.laws.ensembles import beta_laguerre, wishart
from htmu_diag.theory.predictions import noise_exponent, predict, predictions
from htmu_diag.theory.tail_prediction import exponent_above


def test_a_power_law_predicts_its_exponent_and_its_classical_error():
    found = exponent_above(PowerLaw(2.5), 3.0, 101)
    assert found.alpha == pytest.approx(1 + 1.5 * 101 / 100)
    assert found.log_stderr == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize("law", [HTMP(0.5, 3.0), InverseHTMP(0.25, 3.0), MarchenkoPastur(0.5)])
def test_the_prediction_is_the_estimator_on_a_large_sample_of_the_law(law):
    values = law.rvs(30_000, rng=np.random.default_rng(0))
    tail = values[values >= 1.5]
    found = exponent_above(law, 1.5, tail.size)
    assert 1 + tail.size / np.log(tail / 1.5).sum() == pytest.approx(found.alpha, rel=0.02)
    ratios = np.log(tail / 1.5)
    assert found.log_stderr * np.sqrt(tail.size) == pytest.approx(ratios.std() / ratios.mean(), rel=0.04)


def test_where_the_law_ends_below_xmin_there_is_no_prediction():
    assert np.isnan(exponent_above(MarchenkoPastur(0.5), 4.0, 20).alpha)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("kappa", [1.0, 6.0])
def test_the_band_holds_the_alphas_of_the_laws_own_spectra_and_not_those_of_another(inverse, kappa):
    rng, orientation = np.random.default_rng(0), "inverse" if inverse else "direct"
    inside, other = [], []
    for _ in range(50):
        values = beta_laguerre(150, 0.4, kappa, rng=rng)
        values = 1 / values[::-1] if inverse else values
        fit, tail = fit_htmp(values, 0.4, orientation=orientation), fit_power_law(values)
        law = type(fit.law)(0.4, 4 * kappa, fit.scale)
        for each, out in ((fit, inside), (replace(fit, law=law, parameters={"kappa": 4 * kappa}), other)):
            low, high = predict(each, tail).interval
            out.append(low <= tail.alpha <= high)
    assert np.mean(inside) >= 0.86  # of 95 %, three standard errors of fifty
    assert np.mean(other) < 0.75


def test_a_kernel_is_compared_above_xmin_and_not_with_the_asymptotic_exponent():
    """Features with a power-law spectrum, true exponent 1.67: the law's asymptotic one is 1.9."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((300, 2000)) * np.arange(1, 2001) ** -0.75
    values = np.linalg.svd(features, compute_uv=False)[::-1] ** 2 / 300
    fit, tail = fit_htmp(values, 0.15, orientation="inverse"), fit_power_law(values)
    assert abs(predict(fit, tail).alpha - tail.alpha) < abs(fit.tail_exponent - tail.alpha)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("share", [0.05, 0.5])
def test_noise_is_predicted_above_the_same_quantile(gamma, share):
    tail = SimpleNamespace(n=10**7, n_tail=round(share * 10**7))
    start = float(MarchenkoPastur(gamma).isf(share))
    assert noise_exponent(tail, gamma) == pytest.approx(
        exponent_above(MarchenkoPastur(gamma), start, 10**7).alpha, rel=1e-3
    )


def test_the_largest_value_is_predicted_to_its_spread():
    rng = np.random.default_rng(0)
    draws = [beta_laguerre(200, 0.5, 4.0, rng=rng) for _ in range(40)]
    ratio = [np.log(x[-1] / predict(fit_htmp(x, 0.5), fit_power_law(x)).lambda_max) for x in draws]
    assert abs(np.median(ratio)) < 0.08
    noise = wishart(200, 400, rng=rng)
    assert predict(fit_htmp(noise, 0.5), fit_power_law(noise)).lambda_max == pytest.approx(noise[-1], rel=0.05)


def test_predictions_of_many_are_those_of_each() -> None:
    """From the rows of the fits, to rounding also those of the laws themselves; where there is no fit or tail too."""
    rng = np.random.default_rng(0)
    samples = [(rng.gamma(0.4, size=60), 1.0), (wishart(40, 80, rng=rng), 0.5), (rng.pareto(1.0, 50) + 0.1, 0.3)]
    fits = [fit_htmp(values, gamma, orientation=way) for values, gamma in samples for way in ("direct", "inverse")]
    fits.append(fit_htmp([1.0], 0.5))
    tails = [fit_power_law(values) for values, _ in samples for _ in range(2)] + [fit_power_law([1.0])]
    many = predictions(fits, tails)
    assert repr(many) == repr([predict(fit, tail) for fit, tail in zip(fits, tails, strict=True)])
    for fit, tail, found in zip(fits[:-1], tails, many, strict=False):
        above = exponent_above(fit.law, tail.xmin, tail.n_tail)
        assert found.alpha == pytest.approx(above.alpha, rel=1e-12, nan_ok=True)
    assert math.isnan(many[-1].lambda_max)
