"""The Marchenko-Pastur bulk: scale beside spikes, spikes, p-values."""

import numpy as np
import pytest

from htmu_diag.fits import fit_marchenko_pastur
from htmu_diag.laws.ensembles import beta_laguerre, wishart


def spiked(rows, columns, strengths, rng):
    """Eigenvalues of noise plus rank-one parts, strengths in units of the BBP threshold."""
    noise = rng.standard_normal((rows, columns))
    for strength in strengths:
        left, right = rng.standard_normal(rows), rng.standard_normal(columns)
        size = np.sqrt(strength * np.sqrt(rows / columns) * columns)
        noise += size * np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))
    return np.linalg.svd(noise, compute_uv=False) ** 2 / columns


@pytest.mark.parametrize("columns", [256, 512])
@pytest.mark.parametrize("times", [10, 100])
def test_five_spikes_leave_the_scale_within_two_percent(columns, times):
    values = spiked(256, columns, [times] * 5, np.random.default_rng(0))
    fit = fit_marchenko_pastur(values, 256 / columns)
    assert fit.n_spikes == 5
    assert fit.scale == pytest.approx(1.0, rel=0.02)
    assert fit.spikes.tolist() == np.sort(values)[-5:].tolist()


@pytest.mark.parametrize("columns", [256, 1024])
def test_all_six_spikes_are_found(columns):
    values = spiked(256, columns, [4, 6, 8, 10, 30, 100], np.random.default_rng(1))
    assert fit_marchenko_pastur(values, 256 / columns).n_spikes == 6


def test_noise_has_few_false_spikes_and_uniform_p_values():
    rng = np.random.default_rng(0)
    fits = [fit_marchenko_pastur(wishart(100, 200, rng=rng), 0.5, bootstrap=99) for _ in range(200)]
    assert np.mean([fit.n_spikes for fit in fits]) <= 0.05
    p = np.array([fit.p_value for fit in fits])
    assert 0.04 < np.mean(p < 0.1) < 0.18
    assert 0.38 < np.mean(p < 0.5) < 0.62


def test_the_p_value_sees_weaker_repulsion_that_a_table_for_independent_values_would_not():
    fit = fit_marchenko_pastur(beta_laguerre(200, 0.5, 15.0, rng=np.random.default_rng(0)), 0.5, bootstrap=99)
    assert fit.ks_distance < 1.36 / np.sqrt(200)
    assert fit.p_value == 0.01


def test_edges_and_threshold_scale_with_the_values():
    values = wishart(100, 200, rng=np.random.default_rng(0))
    one, many = fit_marchenko_pastur(values, 0.5), fit_marchenko_pastur(values * 1e-12, 0.5)
    assert many.threshold == pytest.approx(one.threshold * 1e-12)
    assert many.ks_distance == pytest.approx(one.ks_distance, rel=1e-6)
    assert one.lower_edge < one.upper_edge < one.threshold


def test_mostly_zero_eigenvalues_are_a_status():
    values = np.concatenate([np.zeros(80), np.arange(1.0, 21.0)])
    assert fit_marchenko_pastur(values, 0.5).status.code == "degenerate"
