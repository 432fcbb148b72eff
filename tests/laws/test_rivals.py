"""The rivals of HTMP: noise over a lognormal population, Wachter's law, the Gamma law."""

import numpy as np
import pytest
from scipy import integrate

from htmu_diag.errors import InputError
from htmu_diag.fits import ks_distance
from htmu_diag.laws import FreeLognormal, Gamma, MarchenkoPastur, Wachter
from htmu_diag.laws.free import log_density_at
from htmu_diag.laws.silverstein import Population

LAWS = [
    FreeLognormal(0.3, 0.6, 2.0),
    FreeLognormal(1.0, 0.5),
    Wachter(0.5, 0.3, 2.0),
    Wachter(1.0, 0.1),
    Gamma(2.5, 3.0),
]


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_mass_mean_and_variance_are_those_of_the_density(law):
    low, high = (float(law.ppf(q)) for q in (1e-9, 1 - 1e-9))
    low = max(low, law.support()[0])

    def moment(k):
        inside = np.log(law.ppf(np.array([0.01, 0.5, 0.99])))
        return integrate.quad(
            lambda t: float(law.pdf(np.exp(t))) * np.exp((k + 1) * t),
            np.log(low),
            np.log(high),
            points=inside,
            limit=400,
        )[0]

    assert moment(0) == pytest.approx(1.0, abs=1e-5)
    assert moment(1) == pytest.approx(law.mean(), rel=1e-4)
    assert moment(2) - law.mean() ** 2 == pytest.approx(law.var(), rel=1e-2)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_distribution_quantiles_and_density_agree(law):
    q = np.array([0.001, 0.05, 0.3, 0.5, 0.9, 0.999])
    x = law.ppf(q)
    assert law.cdf(x) == pytest.approx(q, abs=1e-9)
    assert law.sf(x) == pytest.approx(1 - q, abs=1e-9)
    h = 1e-6 * x
    assert (law.cdf(x + h) - law.cdf(x - h)) / (2 * h) == pytest.approx(law.pdf(x), rel=1e-3)


@pytest.mark.parametrize(("gamma", "sigma"), [(0.1, 0.1), (0.5, 1.0), (1.0, 0.5)])
def test_the_table_is_the_equation_to_1e_8(gamma, sigma):
    law = FreeLognormal(gamma, sigma)
    t = np.log(law.rvs(60, rng=np.random.default_rng(0)))
    direct = np.exp(log_density_at(t, gamma, sigma) - t)
    assert np.abs(law.pdf(np.exp(t)) - direct).max() < 1e-8


def test_matrices_with_lognormal_rows_have_this_spectrum_and_not_noises():
    rng = np.random.default_rng(0)
    rows = np.exp(0.35 * rng.standard_normal(400) - 0.35**2)
    values = np.linalg.svd(rng.standard_normal((400, 800)) * rows[:, None], compute_uv=False) ** 2 / 800
    assert ks_distance(values, FreeLognormal(0.5, 0.7, values.mean())) < 0.04
    assert ks_distance(values, MarchenkoPastur(0.5, values.mean())) > 0.1


def test_without_spread_both_are_marchenko_pastur():
    x = MarchenkoPastur(0.4).ppf(np.linspace(0.05, 0.95, 7))
    assert FreeLognormal(0.4, 0.02).cdf(x) == pytest.approx(MarchenkoPastur(0.4).cdf(x), abs=2e-3)
    assert Wachter(0.4, 1e-6).cdf(x) == pytest.approx(MarchenkoPastur(0.4).cdf(x), abs=1e-5)


def test_two_noise_covariances_have_wachters_law():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((300, 600)), rng.standard_normal((300, 1500))
    one, two = first @ first.T / 600, second @ second.T / 1500
    values = np.linalg.eigvals(np.linalg.solve(two, one)).real
    assert ks_distance(values, Wachter(0.5, 0.2, 1 / 0.8)) < 0.02
    assert ks_distance(values, Wachter(0.5, 0.4, 1 / 0.8)) > 0.05


@pytest.mark.parametrize(
    "law",
    [
        lambda: FreeLognormal(2.0, 1.0),
        lambda: FreeLognormal(0.5, 9.0),
        lambda: Wachter(0.5, 1.0),
        lambda: Gamma(-1.0),
        lambda: Wachter(0.5, 0.5, -1.0),
        lambda: FreeLognormal(0.5, 1.0, 0.0),
    ],
)
def test_parameters_outside_are_refused(law):
    with pytest.raises(InputError):
        law()


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
def test_a_population_of_mean_one_has_mass_one(sigma):
    population = Population.lognormal(sigma)
    density = lambda u: float(np.exp(population.log_density(np.array([u]))[0]))  # noqa: E731
    for power in (0, 1):
        found = integrate.quad(lambda u, power=power: np.exp(power * u) * density(u), -12 * sigma - 3, 12 * sigma + 3)
        assert found[0] == pytest.approx(1.0, rel=1e-8)


@pytest.mark.parametrize(
    ("gamma", "sigma", "reach"),
    [(0.9394, 0.13516, -8.2), (0.9821917, 0.1891899, -9.65), (0.8968339, 0.05716753, 1.335778)],
)
def test_at_a_cliff_the_density_neither_overshoots_nor_rises_beyond_the_table(gamma, sigma, reach):
    """Where a little spread leaves an edge there is no more than the equation says, and nothing far below it."""
    law, t = FreeLognormal(gamma, sigma), np.linspace(reach - 0.02, reach + 0.02, 41)
    assert np.abs(law.pdf(np.exp(t)) * np.exp(t) - np.exp(log_density_at(t, gamma, sigma))).max() < 1e-3
    far = np.linspace(-40, -10, 200)
    assert (law.pdf(np.exp(far)) * np.exp(far)).max() < 1e-6
    assert law.cdf(np.exp(10.0)) == pytest.approx(1.0, abs=1e-6)


def test_points_that_settle_last_are_left_where_they_are():
    """Beside an edge Newton's method goes to and fro by rounding, until its steps are used up."""
    law = FreeLognormal(0.6666666666666666, 0.27309923246764173)
    assert law.cdf(law.ppf(0.3)) == pytest.approx(0.3, abs=1e-9)
