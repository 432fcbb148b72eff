"""The Marchenko-Pastur bulk: scale beside spikes, spikes, p-values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htmu_diag.fits import fit_marchenko_pastur
from htmu_diag.fits.bulk import bulk_levels, fit_bulks
from htmu_diag.fits.bulk_rounds import Asked, fitted_bulk
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.marchenko_pastur import fit_marchenko_pasturs
from htmu_diag.laws import HTMP, MarchenkoPastur
from htmu_diag.laws.central_angles import CENTRAL
from htmu_diag.laws.ensembles import beta_laguerre, wishart
from htmu_diag.laws.marchenko_pastur import central_quantiles
from htmu_diag.laws.roots import quantile_root


def spiked(rows, columns, strengths, rng):
    """Eigenvalues of noise plus rank-one parts, strengths in units of the BBP threshold."""
    noise = rng.standard_normal((rows, columns))
    for strength in strengths:
        left, right = rng.standard_normal(rows), rng.standard_normal(columns)
        size = np.sqrt(strength * np.sqrt(rows / columns) * columns)
        noise += size * np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))
    return gram(noise)


def gram(matrix):
    return np.linalg.svd(matrix, compute_uv=False) ** 2 / max(matrix.shape)


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


@pytest.mark.parametrize(("rows", "columns"), [(20, 500), (70, 70), (128, 200)])
def test_the_p_values_of_noise_are_uniform_between_the_entries_of_the_table(rows, columns):
    rng = np.random.default_rng(0)
    fits = [fit_marchenko_pastur(wishart(rows, columns, rng=rng), rows / columns) for _ in range(400)]
    assert np.mean([fit.n_spikes for fit in fits]) <= 0.01
    for p in ([fit.p_value for fit in fits], [fit.edge_p_value for fit in fits]):
        for level in (0.01, 0.1, 0.5, 0.9):  # within four standard errors of a share
            assert abs(np.mean(np.array(p) < level) - level) < 4 * np.sqrt(level * (1 - level) / 400)


@pytest.mark.parametrize("strengths", [[4.0] * 12, list(np.geomspace(3, 20, 24))], ids=["weak", "many"])
def test_the_bulk_beside_spikes_keeps_its_null_law(strengths):
    """Also where spikes are a fifth of the spectrum."""
    rng = np.random.default_rng(0)
    fits = [fit_marchenko_pastur(spiked(120, 240, strengths, rng), 0.5) for _ in range(60)]
    p = np.array([fit.p_value for fit in fits])
    assert abs(np.mean([fit.n_spikes for fit in fits]) - len(strengths)) < 2
    assert np.mean(p < 0.01) < 0.1
    assert 0.25 < np.mean(p < 0.5) < 0.75
    assert np.mean([fit.scale for fit in fits]) == pytest.approx(1.0, abs=0.01)


def test_weak_spikes_shift_the_bulk_by_what_the_first_variation_says():
    """n times the KS distance of the bulk beside 25 known spikes, 1.6 times the BBP threshold each, is that of noise;
    were they infinitely strong it would be half as large again."""
    rng = np.random.default_rng(0)
    finite, infinite, noise = [], [], []
    for _ in range(8):
        left, right = np.linalg.qr(rng.standard_normal((256, 25)))[0], np.linalg.qr(rng.standard_normal((512, 25)))[0]
        values = np.sort(gram(rng.standard_normal((256, 512)) + np.sqrt(1.6 * np.sqrt(0.5) * 512) * left @ right.T))
        for scale, out in ((1.0, finite), (0.0, infinite)):
            asked = Asked(values, 0.5)
            out.append(231 * ks_of_levels(bulk_levels([asked], [fitted_bulk(asked, 231, scale)])[0]))
        noise.append(256 * fit_marchenko_pastur(gram(rng.standard_normal((256, 512))), 0.5).ks_distance)
    assert np.mean(finite) == pytest.approx(np.mean(noise), abs=0.4)
    assert np.mean(infinite) > np.mean(finite) + 1


def test_the_p_value_sees_weaker_repulsion_that_a_table_for_independent_values_would_not():
    fit = fit_marchenko_pastur(beta_laguerre(200, 0.5, 15.0, rng=np.random.default_rng(0)), 0.5)
    assert fit.ks_distance < 1.36 / np.sqrt(200)
    assert fit.p_value < 0.001


def test_where_most_values_are_no_bulk_the_status_says_so():
    values = HTMP(0.5, 0.1).rvs(300, rng=np.random.default_rng(0))
    fit = fit_marchenko_pastur(values, 0.5)
    assert fit.status.code == "degenerate"
    assert "no Marchenko-Pastur bulk" in fit.status.message
    assert fit.n_spikes == np.count_nonzero(values > fit.threshold) > values.size / 2
    assert fit.p_value == 1e-4


def test_a_matrix_of_low_rank_beside_weak_noise_is_not_noise():
    values = np.concatenate(
        [wishart(80, 160, rng=np.random.default_rng(0)) / 1e4, wishart(120, 240, rng=np.random.default_rng(1))]
    )
    fit = fit_marchenko_pastur(values, 0.5)
    assert fit.n_spikes == np.count_nonzero(values > fit.threshold)
    assert fit.p_value == 1e-4


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6))
def test_the_spikes_are_the_values_beyond_the_threshold(seed):
    rng = np.random.default_rng(seed)
    values = rng.gamma(rng.uniform(0.1, 3), size=rng.integers(10, 80)) ** rng.uniform(0.5, 4) + rng.random()
    fit = fit_marchenko_pastur(values, rng.uniform(0.05, 1))
    assert fit.spikes.tolist() == np.sort(values[values > fit.threshold]).tolist()


def test_arguments_of_the_old_simulation_warn():
    with pytest.warns(DeprecationWarning, match="no effect"):
        fit_marchenko_pastur(wishart(30, 60, rng=np.random.default_rng(0)), 0.5, bootstrap=10)


def test_edges_and_threshold_scale_with_the_values():
    values = wishart(100, 200, rng=np.random.default_rng(0))
    one, many = fit_marchenko_pastur(values, 0.5), fit_marchenko_pastur(values * 1e-12, 0.5)
    assert many.threshold == pytest.approx(one.threshold * 1e-12)
    assert many.ks_distance == pytest.approx(one.ks_distance, rel=1e-6)
    assert one.lower_edge < one.upper_edge < one.threshold


def test_mostly_zero_eigenvalues_are_a_status():
    values = np.concatenate([np.zeros(80), np.arange(1.0, 21.0)])
    assert fit_marchenko_pastur(values, 0.5).status.code == "degenerate"


@pytest.mark.parametrize("gamma", [1.0, 0.999, 0.5, 0.05, 0.005])
@pytest.mark.parametrize("shift", [-0.24, -0.01, 0.003, 0.1, 0.24])
def test_quantiles_found_in_the_angle_are_those_of_the_law(gamma: float, shift: float) -> None:
    law, levels = MarchenkoPastur(gamma), np.clip(CENTRAL - shift * np.linspace(0, 1, 65), 0.01, 0.99)
    by_search = quantile_root(law, np.log(levels), np.log1p(-levels))
    np.testing.assert_allclose(central_quantiles(levels, gamma), by_search, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_a_spectrum_among_others_is_fitted_as_alone(seed: int) -> None:
    """To the last bit, whatever else is asked: noise, spikes, masses, zeros, no bulk."""
    rng = np.random.default_rng(seed)
    asked = [Asked(np.sort(rng.gamma(1, size=n) ** p), g) for n, p, g in [(40, 3, 0.2), (90, 4, 1.0), (33, 2, 0.004)]]
    asked += [Asked(np.sort(spiked(n, 2 * n, [20.0] * k, rng)), 0.5) for n, k in [(30, 0), (64, 1), (64, 9), (120, 30)]]
    asked += [Asked(np.sort(rng.gamma(0.5, size=50)), 0.3, rng.random(50)), Asked(np.repeat([0.0, 1.0], [80, 20]), 0.5)]
    shuffled = [asked[i] for i in rng.permutation(len(asked))]
    for each, fit in zip(shuffled, fit_bulks(shuffled), strict=True):
        alone = fit_bulks([each])[0]
        assert repr(fit) == repr(alone)
        assert fit.spikes.tobytes() == alone.spikes.tobytes()


def test_a_fit_of_many_says_what_each_fit_says() -> None:
    """Those that cannot be fitted too."""
    rng = np.random.default_rng(0)
    samples = [(wishart(30, 60, rng=rng), 0.5), (np.array([1.0, np.nan]), 0.5), (rng.gamma(0.3, size=70), 0.9)]
    for (values, gamma), fit in zip(samples, fit_marchenko_pasturs(samples), strict=True):
        assert repr(fit) == repr(fit_marchenko_pastur(values, gamma))
