"""kappa and the gaps between neighbours tell causes of a wide spectrum apart."""

import numpy as np
import pytest

from htmu_diag.analysis import Options, diagnose
from htmu_diag.analysis.repulsion import FULL, POPULATION, REDUCED, read_repulsion
from htmu_diag.fits import fit_htmp, gap_ratio
from htmu_diag.fits.gaps import GOE
from htmu_diag.laws.ensembles import beta_laguerre, spiked, wishart


def blocks(count, rng):
    parts = [rng.standard_normal((400 // count, 800 // count)) for _ in range(count)]
    return np.concatenate([np.linalg.svd(w, compute_uv=False) ** 2 / w.shape[1] for w in parts])


def spread(sigma, rng):
    matrix = rng.standard_normal((400, 800)) * np.exp(sigma * rng.standard_normal(400))[:, None]
    return np.linalg.svd(matrix, compute_uv=False) ** 2 / 800


TRUTH = {
    "kappa 1": (lambda r: beta_laguerre(400, 0.5, 1.0, rng=r), REDUCED),
    "kappa 30": (lambda r: beta_laguerre(400, 0.5, 30.0, rng=r), REDUCED),
    "kappa 100": (lambda r: beta_laguerre(400, 0.5, 100.0, rng=r), REDUCED),
    "noise": (lambda r: blocks(1, r), FULL),
    "2 blocks": (lambda r: blocks(2, r), REDUCED),
    "8 blocks": (lambda r: blocks(8, r), REDUCED),
    "lognormal rows": (lambda r: spread(0.7, r), POPULATION),
    "9 spikes": (lambda r: spiked(400, 800, [25.0] * 9, rng=r), POPULATION),
}


@pytest.mark.parametrize("name", TRUTH)
def test_the_sentence_names_the_cause(name):
    draw, sentence = TRUTH[name]
    said = []
    for seed in range(3):
        values = np.sort(draw(np.random.default_rng(seed)))
        said.append(read_repulsion(values, 0.5, fit_htmp(values, 0.5), gap_ratio(values), inverse=False))
    assert [reading.sentence for reading in said].count(sentence) >= 2
    if name.startswith("kappa"):
        assert np.median([abs(reading.z) for reading in said]) < 2
        assert all(reading.z_goe < -3 for reading in said)
    if sentence == POPULATION:
        assert all(reading.z > 5 for reading in said)


def test_noise_has_a_predicted_gap_ratio_whatever_its_density_says():
    """Where kappa is noise by the joint density alone, the density's own is below N in one of twelve."""
    rng = np.random.default_rng(0)
    drawn = [wishart(70, 80, rng=rng) for _ in range(20)]
    fits = [fit_htmp(values, 0.875) for values in drawn]
    settled = [i for i, fit in enumerate(fits) if fit.noise and fit.law.kappa < fit.n]
    assert settled
    for i in settled:
        reading = read_repulsion(drawn[i], 0.875, fits[i], gap_ratio(drawn[i]), inverse=False)
        assert reading.predicted == pytest.approx(GOE)
        assert abs(reading.z) < 4


def test_the_kappa_of_two_averages_is_that_of_the_likelihood_to_a_fifth():
    for kappa in (0.5, 3.0):
        values = beta_laguerre(1000, 0.5, kappa, rng=np.random.default_rng(0))
        reading = read_repulsion(values, 0.5, fit_htmp(values, 0.5), gap_ratio(values), inverse=False)
        assert reading.kappa_moment == pytest.approx(kappa, rel=0.2)
        back = read_repulsion(
            1 / values[::-1], 0.5, fit_htmp(1 / values, 0.5, orientation="inverse"), gap_ratio(1 / values), inverse=True
        )
        assert back.kappa_moment == pytest.approx(reading.kappa_moment)


def test_a_heavy_tail_of_correlated_data_says_in_its_reason_that_it_may_be_correlation():
    mixed = np.linalg.cholesky(0.95 ** np.abs(np.subtract.outer(range(200), range(200))))
    values = np.linalg.svd(mixed @ np.random.default_rng(0).standard_normal((200, 400)), compute_uv=False) ** 2 / 400
    row = diagnose(np.sort(values), Options(bootstrap=20), shape=(200, 400)).row()
    assert row["verdict"] in ("heavy-tailed", "bulk-decay")
    assert row["reason"].endswith(f"; {POPULATION}")
    assert row["repulsion"] == POPULATION
    less = diagnose(beta_laguerre(200, 0.5, 1.0, rng=np.random.default_rng(0)), Options(bootstrap=20), gamma=0.5).row()
    assert less["verdict"] in ("heavy-tailed", "bulk-decay")
    assert POPULATION not in less["reason"]


@pytest.mark.filterwarnings("error")
def test_the_unit_changes_no_reading_of_the_inverse_law() -> None:
    """Reciprocals of subnormal values are infinite, and diagnosing was an error there."""
    values = np.sort(np.random.default_rng(0).gamma(2.0, size=60))
    fit, gaps = fit_htmp(values, gamma=0.5), gap_ratio(values)
    small = values * 2.0**-1030
    one, other = (read_repulsion(v, 0.5, fit, gaps, inverse=True).gap for v in (values, small))
    assert other == pytest.approx(one, rel=1e-9)
