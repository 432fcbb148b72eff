"""J in closed form against quadrature, sampling and its own limits."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from htmu_diag.errors import InputError
from htmu_diag.laws import HTMP, MarchenkoPastur
from htmu_diag.laws.ensembles import beta_laguerre
from htmu_diag.laws.log_gap import htmp_log_gap, log_gap, log_gaps, marchenko_pastur_log_gap, repulsion_of_log_gap


@pytest.mark.parametrize("gamma", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("kappa", [2.0, 5.5, 20.0, 50.0])
def test_the_closed_form_is_the_integral_over_the_law(kappa: float, gamma: float) -> None:
    law = HTMP(gamma=gamma, kappa=kappa)
    mean_log, _ = quad(
        lambda t: t * np.exp(law.logpdf(np.exp(t)) + t), -200, 6, limit=400, epsabs=1e-10, points=[-20.0, 0.0]
    )
    assert htmp_log_gap(kappa, gamma) == pytest.approx(-mean_log, abs=2e-6)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9])
def test_infinite_repulsion_is_marchenko_pastur_and_none_is_gamma_like(gamma: float) -> None:
    law = MarchenkoPastur(gamma)
    low, high = (1 - gamma**0.5) ** 2, (1 + gamma**0.5) ** 2
    mean_log, _ = quad(lambda x: np.log(x) * law.pdf(x), low, high, limit=400)
    assert marchenko_pastur_log_gap(gamma) == pytest.approx(-mean_log, abs=1e-5)
    assert htmp_log_gap(1e7, gamma) == pytest.approx(marchenko_pastur_log_gap(gamma), abs=1e-5)
    falling = [htmp_log_gap(kappa, gamma) for kappa in (0.1, 1.0, 10.0, 100.0, 1e4)]
    assert (np.diff(falling) < 0).all()


@pytest.mark.parametrize(("kappa", "spread"), [(0.5, 0.12), (2.0, 0.17), (10.0, 0.32)])
def test_it_inverts_to_the_kappa_of_samples(kappa: float, spread: float) -> None:
    """Forty draws of 300: the mean within three standard errors, each within the stated scatter of log kappa."""
    rng = np.random.default_rng(0)
    found = [np.log(repulsion_of_log_gap(log_gap(beta_laguerre(300, 0.5, kappa, rng=rng)), 0.5)) for _ in range(40)]
    assert np.std(found) < 1.5 * spread
    assert np.mean(found) == pytest.approx(np.log(kappa), abs=3 * np.std(found) / 40**0.5 + 0.02)
    assert repulsion_of_log_gap(htmp_log_gap(kappa, 0.5), 0.5) == pytest.approx(kappa, rel=1e-8)


def test_no_finite_kappa_where_there_is_none() -> None:
    assert repulsion_of_log_gap(0.01, 0.5) == np.inf
    assert np.isnan(repulsion_of_log_gap(1.3, 1.0))
    assert log_gap([1.0, 0.0]) == np.inf
    for bad in ([], [-1.0, 2.0], [np.nan]):
        with pytest.raises(InputError, match="finite values"):
            log_gap(bad)


def test_the_gap_of_square_noise_is_one_and_its_limit() -> None:
    assert marchenko_pastur_log_gap(1.0) == 1.0
    assert marchenko_pastur_log_gap(1 - 1e-9) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 1.0])
@pytest.mark.parametrize("kappa", [0.3, 2.0, math.inf])
def test_the_ends_of_the_ratios_are_taken_and_what_lies_beyond_is_refused(gamma: float, kappa: float) -> None:
    assert htmp_log_gap(kappa, gamma) > 0
    assert math.isinf(htmp_log_gap(kappa, gamma)) == (gamma == 1 and kappa < math.inf)
    for wrong in ((kappa, 0.0), (kappa, 1.0 + 1e-9), (0.0, gamma), (-kappa, gamma)):
        with pytest.raises(InputError, match="pass kappa > 0 and gamma in"):
            htmp_log_gap(*wrong)


@pytest.mark.parametrize("unit", [5e-324 * 2**20, 1e-300, 1.0, 1e300, 1e307])
def test_it_has_no_unit(unit: float) -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0, 9.0])
    assert log_gap(unit * values) == pytest.approx(log_gap(values), abs=1e-5 if unit < 1e-307 else 1e-12)


def test_gaps_of_many_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    spectra = [
        rng.gamma(0.5, size=30),
        1e-308 * rng.random(7),
        np.array([2.0]),
        np.append(0.0, rng.random(5)),
        np.zeros(3),
    ]
    assert log_gaps(spectra) == [log_gap(values) for values in spectra]
    for values in spectra[:3]:
        assert log_gap(values) == pytest.approx(np.log(values.mean()) - np.log(values).mean(), abs=1e-12)
    assert log_gaps(spectra)[3:] == [np.inf, np.inf]
