"""A kappa that can be read: of the bulk beside spikes, as noise, and with the word that its law deserves."""

import numpy as np
import pytest

from htmu_diag.fits import fit_htmp, fit_htmp_bulk, fit_marchenko_pastur, gap_ratio
from htmu_diag.fits.gaps import GOE, POISSON, gap_ratio_at
from htmu_diag.fits.repulsion import of_the_matrix
from htmu_diag.laws.ensembles import beta_laguerre, wishart


def with_spikes(k, rng, rows=256, columns=512):
    matrix = rng.standard_normal((rows, columns))
    if k:
        left, right = (np.linalg.qr(rng.standard_normal((side, k)))[0] for side in (rows, columns))
        sizes = np.sqrt(np.geomspace(3, 20, k) * columns * np.sqrt(rows / columns))
        matrix += left * sizes @ right.T
    return np.linalg.svd(matrix, compute_uv=False)[::-1] ** 2 / columns


@pytest.mark.parametrize("k", [1, 9, 51])
def test_noise_beside_spikes_reads_as_noise_where_the_whole_spectrum_does_not(k):
    values = with_spikes(k, np.random.default_rng(0))
    whole, bulk = fit_htmp(values, 0.5), fit_htmp_bulk(values, 0.5, fit_marchenko_pastur(values, 0.5))
    assert whole.kappa < 30
    assert bulk.noise
    assert bulk.reading.word == "noise"
    assert bulk.status.code == "noise"


@pytest.mark.parametrize("kappa", [3.0, 10.0, 30.0])
def test_the_bulk_of_a_weakly_repelling_law_beside_spikes_keeps_its_kappa(kappa):
    off = []
    for seed in range(6):
        values = beta_laguerre(300, 0.5, kappa, rng=np.random.default_rng(seed))
        values = np.append(values, values[-1] * np.array([1.5, 2, 3, 4, 6]))
        fit = fit_htmp_bulk(values, 0.5, fit_marchenko_pastur(values, 0.5))
        off.append(np.log(fit.kappa / kappa) / (fit.kappa_stderr / fit.kappa))
    assert abs(np.median(off)) < 1.5
    assert np.abs(off).max() < 4


@pytest.mark.parametrize(("n", "gamma", "kappa"), [(150, 0.4, 30.0), (90, 0.8, 25.0)])
def test_the_interval_of_a_kappa_near_n_covers_it(n, gamma, kappa):
    """The profile of independent values alone covers 83 and 82 % of these."""
    rng = np.random.default_rng(5)
    fits = [fit_htmp(beta_laguerre(n, gamma, kappa, rng=rng), gamma) for _ in range(60)]
    ends = [fit.kappa_interval for fit in fits]
    assert np.mean([low <= kappa <= high for low, high in ends]) > 0.9
    assert np.mean([low > kappa / 4 for low, _ in ends]) > 0.9
    assert np.mean([abs(fit.kappa - kappa) < 2 * fit.kappa_stderr for fit in fits]) > 0.9


def test_eigenvalues_of_a_finite_matrix_look_like_a_larger_kappa():
    """Relative variance gamma (1 + 2/kappa - 1/n) in the mean, that of the law at 1/kappa - 1/(2n)."""
    n, gamma, kappa = 40, 0.5, 10.0
    rng = np.random.default_rng(0)
    values = np.array([beta_laguerre(n, gamma, kappa, rng=rng) for _ in range(2000)])
    found = np.mean((values / values.mean() - 1) ** 2)
    looks_like = 1 / (1 / kappa - 0.5 / n)
    assert of_the_matrix(looks_like, n) == pytest.approx(kappa)
    assert found == pytest.approx(gamma * (1 + 2 / looks_like), rel=0.01)
    assert found != pytest.approx(gamma * (1 + 2 / kappa), rel=0.015)


def test_a_pareto_population_moves_both_and_is_described_by_neither():
    rng = np.random.default_rng(0)
    spread = (1 - rng.random(256)) ** -0.5
    values = np.linalg.svd(rng.standard_normal((256, 512)) * spread[:, None], compute_uv=False) ** 2 / 512
    bulk = fit_marchenko_pastur(values, 0.5)
    for fit in (fit_htmp(values, 0.5), fit_htmp_bulk(values, 0.5, bulk)):
        assert fit.reading.word == "does not describe"
        assert "KS" in fit.reading.reason
        assert "misses most" in fit.reading.reason


def test_the_truncated_likelihood_is_that_of_the_law_below_the_cut():
    """Against a fit that takes the cut sample for a whole one, which is far off."""
    values = beta_laguerre(2000, 0.5, 4.0, rng=np.random.default_rng(0))
    cut = float(np.quantile(values, 0.9))
    fit, blind = fit_htmp(values, 0.5, below=cut), fit_htmp(values[values <= cut], 0.5)
    assert abs(np.log(fit.kappa / 4)) < 4 * fit.kappa_stderr / fit.kappa
    assert blind.kappa > 5.5
    assert fit.log_likelihood == pytest.approx(
        fit.law.logpdf(values[values <= cut]).sum() - 1800 * fit.law.logcdf(cut), abs=1e-2
    )


@pytest.mark.parametrize(
    ("n", "gamma", "kappa"), [(100, 0.25, 0.3), (100, 1.0, 8.0), (300, 0.5, 40.0), (200, 0.4, 200.0)]
)
def test_the_p_value_of_the_law_is_uniform_on_its_own_matrices(n, gamma, kappa):
    rng = np.random.default_rng(1)
    p = np.array([fit_htmp(beta_laguerre(n, gamma, kappa, rng=rng), gamma).p_value for _ in range(80)])
    assert np.mean(p < 0.01) < 0.08
    assert np.mean(p < 0.1) < 0.28
    assert 0.25 < np.mean(p < 0.5) < 0.75


def test_the_p_value_is_the_same_of_reciprocals_and_rejects_other_laws():
    values = beta_laguerre(200, 0.5, 5.0, rng=np.random.default_rng(0))
    inverse = fit_htmp(1 / values, 0.5, orientation="inverse")
    assert inverse.p_value == pytest.approx(fit_htmp(values, 0.5).p_value, abs=1e-3)
    assert fit_htmp(np.random.default_rng(0).lognormal(size=300), 0.5).p_value < 0.01
    assert fit_htmp(with_spikes(9, np.random.default_rng(0)), 0.5).reading.word == "does not describe"


def test_the_simulated_p_value_agrees_with_the_table():
    values = beta_laguerre(120, 0.5, 3.0, rng=np.random.default_rng(3))
    assert fit_htmp(values, 0.5, bootstrap=60).p_value == pytest.approx(fit_htmp(values, 0.5).p_value, abs=0.25)


def test_noise_and_its_replicates_have_no_larger_kappa_than_n():
    fit = fit_htmp(wishart(60, 120, rng=np.random.default_rng(0)), 0.5, bootstrap=20)
    assert fit.noise
    assert fit.p_value > 0.1


def test_the_gap_ratio_follows_the_repulsion():
    assert gap_ratio_at(0.0) == pytest.approx(POISSON)
    assert gap_ratio_at(1.0) == gap_ratio_at(50.0) == GOE
    rng = np.random.default_rng(0)
    for beta in (0.05, 0.3, 0.7):
        found = [gap_ratio(beta_laguerre(400, 0.5, beta * 400, rng=rng)).mean for _ in range(12)]
        assert np.mean(found) == pytest.approx(gap_ratio_at(beta), abs=0.015)
