"""The joint density of eigenvalues: what it says of their repulsion, and the p-value given that."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import digamma, gammaln

from htmu_diag.fits import fit_htmp, fit_marchenko_pastur
from htmu_diag.fits.htmp_bulk import fit_htmp_bulk
from htmu_diag.fits.joint_repulsion import Logarithms, _log_distances, joint_repulsion, joint_stderr
from htmu_diag.fits.selberg import _missing, selberg
from htmu_diag.laws.ensembles import beta_laguerre, spiked, wishart
from htmu_diag.laws.htmp import HTMP


def test_products_of_distances_are_their_sum_of_logarithms() -> None:
    x = np.sort(np.random.default_rng(0).random(37)) + 0.1
    expected = sum(math.log(x[j] - x[i]) for i in range(37) for j in range(i + 1, 37))
    assert _log_distances(x) == pytest.approx(expected, rel=1e-12)
    assert _log_distances(np.array([1.0, 1.0, 3.0])) == pytest.approx(2 * math.log(2))  # the equal pair is left out


@pytest.mark.parametrize("n", [21, 64, 131])
def test_distances_of_reciprocals_are_those_of_the_values_and_their_sum(n: int) -> None:
    x = np.sort(np.random.default_rng(n).lognormal(size=n))
    found, expected = Logarithms.of(x).reciprocal(), Logarithms.of(1 / x[::-1])
    assert (found.values, found.distances) == pytest.approx((expected.values, expected.distances), rel=1e-12)
    tied = np.sort(np.append(x, x[3]))
    assert Logarithms.of(tied).reciprocal().distances == pytest.approx(
        _log_distances(n / (1 / tied).sum() * (n + 1) / n / tied[::-1])
    )


@pytest.mark.parametrize(("n", "columns", "b"), [(7, 12.5, 0.4), (12, 12.0, 1.0), (5, 40.0, 0.03)])
def test_the_expected_statistic_is_the_derivative_of_selbergs_integral(n: int, columns: float, b: float) -> None:
    """Of the integral over the simplex: Laguerre's, its total divided out."""

    def log_integral(b: float) -> float:
        j = np.arange(1, n + 1)
        each = gammaln(1 + j * b / 2) + gammaln((columns - n + j) * b / 2) - gammaln(1 + b / 2)
        return float(each.sum() - gammaln(b * n * columns / 2))

    slope = (log_integral(b * 1.0001) - log_integral(b / 1.0001)) / (b * (1.0001 - 1 / 1.0001))
    assert _expected(b, n, columns) == pytest.approx(slope, rel=1e-5)


def _expected(b: float, n: int, columns: float) -> float:
    return selberg(n, columns).limit - float(_missing(np.array([b]), n, columns)[0])


@pytest.mark.parametrize(("n", "columns"), [(20, 20.0), (117, 256.5), (3000, 4000.0)])
def test_few_terms_give_selbergs_sums_and_the_table_its_inverse(n: int, columns: float) -> None:
    """Against all terms with scipy's digamma; the standard error against a difference of them."""
    j = np.arange(1.0, n + 1)

    def mean(b: float) -> float:
        x = (columns - n + j) * b / 2
        each = j * digamma(1 + j * b / 2) + (columns - n + j) * digamma(x) - digamma(1 + b / 2)
        return 0.5 * float(each.sum() - n * columns * digamma(b * n * columns / 2))

    table = selberg(n, columns)
    for b in (2e-5, 0.01, 0.7, 1.0, 30.0, 90.0):
        assert table.limit - _expected(b, n, columns) == pytest.approx(table.limit - mean(b), rel=1e-8)
        assert table.repulsion(mean(b)) == pytest.approx(b, rel=2e-4)
        assert table.stderr(b) == pytest.approx((b * (mean(1.001 * b) - mean(b / 1.001)) / 0.002) ** -0.5, rel=1e-3)
    assert table.repulsion(table.limit + 1) == table.repulsion(mean(1e4)) == pytest.approx(100)
    assert table.repulsion(-math.inf) == pytest.approx(1e-5)


@pytest.mark.parametrize(("gamma", "kappa"), [(0.25, 100.0), (1.0, 30.0), (0.6, 12.0)])
def test_repulsion_is_found_whatever_the_unit(gamma: float, kappa: float) -> None:
    rng = np.random.default_rng(3)
    drawn = [beta_laguerre(100, gamma, kappa, rng=rng) for _ in range(20)]
    found = [math.log(100 * joint_repulsion(x, gamma) / kappa) for x in drawn]
    assert abs(np.mean(found)) < 4 * 0.25 / math.sqrt(20)
    assert joint_repulsion(7.0 * drawn[0], gamma) == pytest.approx(joint_repulsion(drawn[0], gamma), rel=1e-9)


def test_independent_values_and_a_ladder_are_told_from_noise() -> None:
    rng = np.random.default_rng(4)
    law = HTMP(0.5, 1e4)
    assert joint_repulsion(np.sort(law.rvs(200, rng=rng)), 0.5) < 0.2
    assert joint_repulsion(wishart(200, 400, rng=rng), 0.5) == pytest.approx(1, abs=0.4)
    assert joint_repulsion(law.ppf((np.arange(200) + 0.5) / 200), 0.5) > 2


@pytest.mark.parametrize(("kappa", "inverse"), [(12.0, False), (60.0, True)])
def test_p_values_are_uniform_where_a_fit_hardly_tells_kappa(kappa: float, inverse: bool) -> None:
    """Mean 1/2 and a tenth below 0.1, within 4 standard errors; independent uniform values are refused."""
    rng, n = np.random.default_rng(5), 60
    direction = "inverse" if inverse else "direct"

    def p(x: np.ndarray) -> float:
        return fit_htmp(1 / x if inverse else x, 0.5, orientation=direction, resolution=0.0).p_value

    found = np.array([p(beta_laguerre(n, 0.5, kappa, rng=rng)) for _ in range(60)])
    assert abs(found.mean() - 0.5) < 4 * math.sqrt(1 / 12 / 60)
    assert np.mean(found < 0.1) < 0.1 + 4 * 0.039
    other = np.array([p(np.sort(rng.uniform(0.2, 2.0, n))) for _ in range(10)])
    assert np.mean(other < 0.1) > 0.5


@pytest.mark.parametrize(("n", "gamma", "b"), [(60, 0.4, 1.0), (60, 1.0, 0.3)])
def test_the_standard_error_of_repulsion_is_its_spread(n: int, gamma: float, b: float) -> None:
    rng = np.random.default_rng(7)
    found = np.array([joint_repulsion(beta_laguerre(n, gamma, b * n, rng=rng), gamma) for _ in range(150)])
    off = np.log(found / b) / joint_stderr(b, n, gamma)
    assert off.std() == pytest.approx(1, abs=4 / math.sqrt(300))
    assert np.mean(np.abs(off) < 1.96) > 0.88


def _beside(body: np.ndarray, spikes: int) -> np.ndarray:
    return np.concatenate([body, body[-1] * np.geomspace(2, 12, spikes)])


@pytest.mark.parametrize("spikes", [0, 5])
def test_a_kappa_that_the_density_cannot_tell_from_noise_is_told_by_the_joint_density(spikes: int) -> None:
    """kappa of a third of the rows: the density of these is likeliest at noise in four of ten."""
    rng, n, kappa = np.random.default_rng(6), 90, 30.0
    fits = []
    for _ in range(20):
        values = _beside(beta_laguerre(n, 0.3, kappa, rng=rng), spikes)
        fits.append(fit_htmp_bulk(values, 0.3, fit_marchenko_pastur(values, 0.3)) if spikes else fit_htmp(values, 0.3))
    joint = [fit for fit in fits if fit.joint]
    assert sum(fit.noise for fit in fits) <= 2
    assert len(joint) >= 8
    assert sum(low <= kappa <= high for low, high in (fit.kappa_interval for fit in fits)) >= 17
    assert all(
        fit.kappa_interval[0] < fit.kappa < fit.kappa_interval[1] and "joint" in fit.reading.reason for fit in joint
    )
    assert abs(np.mean([math.log(fit.kappa / kappa) for fit in joint])) < 4 * 0.27 / math.sqrt(len(joint))


@pytest.mark.parametrize("k", [0, 1, 5])
def test_noise_is_noise_with_and_without_spikes(k: int) -> None:
    """By the density alone one in eight was a number near N; a third of N would be clearly below the lower end."""
    rng, fits = np.random.default_rng(8), []
    for _ in range(20):
        values = spiked(90, 220, np.geomspace(6, 40, k), rng=rng) if k else wishart(90, 220, rng=rng)
        fits.append(fit_htmp_bulk(values, 90 / 220, fit_marchenko_pastur(values, 90 / 220)))
    assert sum(fit.noise for fit in fits) >= 19
    assert np.median([fit.kappa_interval[0] for fit in fits]) > 90 / 2
    assert all(fit.kappa_interval[1] == math.inf for fit in fits if fit.noise)


def test_doubled_eigenvalues_of_noise_get_no_kappa_from_their_distances() -> None:
    """Their density is that of noise and their distances are those of nothing: the two have no kappa in common."""
    values = wishart(60, 120, rng=np.random.default_rng(9))
    fit = fit_htmp(np.sort(np.concatenate([values, values * (1 + 1e-9)])), 0.5)
    assert not fit.joint


def test_the_exponent_of_the_inverse_law_goes_with_kappa() -> None:
    rng = np.random.default_rng(10)
    fits = [
        fit_htmp(1 / beta_laguerre(80, 0.5, 28.0, rng=rng), 0.5, orientation="inverse", resolution=0.0)
        for _ in range(12)
    ]
    joint = [fit for fit in fits if fit.joint]
    assert joint
    for fit in joint:
        assert fit.tail_exponent == pytest.approx(1 + fit.kappa / 2)
        assert fit.tail_exponent_interval == pytest.approx([1 + end / 2 for end in fit.kappa_interval])
