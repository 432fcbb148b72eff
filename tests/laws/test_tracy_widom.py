"""Tracy-Widom against published moments and quantiles, Painleve II, and the largest eigenvalue of Wishart matrices."""

import math

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.special import airy

from htmu_diag.errors import InputError
from htmu_diag.laws import TracyWidom, ensembles
from htmu_diag.laws.tracy_widom import _HIGH, _left, _log_minus_log

# Bornemann 2010, table 10: mean, variance, skewness, excess kurtosis
PUBLISHED = {
    1: (-1.20653357458, 1.60778103458, 0.29346452408, 0.1652429384),
    2: (-1.77108680741, 0.81319479283, 0.2240842036, 0.0934480876),
    4: (-2.30688489324, 0.51772372077, 0.16550949435, 0.0491951565),
}


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_four_moments_agree_with_the_published_ones(beta: int) -> None:
    law = TracyWidom(beta)
    m = [
        quad(lambda x, k=k: x**k * law.pdf(x), -12, 14, epsabs=1e-13, limit=300, points=[-5, -3, -1, 1, 4])[0]
        for k in range(5)
    ]
    mean, var = m[1], m[2] - m[1] ** 2
    skewness = (m[3] - 3 * mean * m[2] + 2 * mean**3) / var**1.5
    kurtosis = (m[4] - 4 * mean * m[3] + 6 * mean**2 * m[2] - 3 * mean**4) / var**2 - 3
    assert m[0] == pytest.approx(1.0, abs=1e-11)
    assert (mean, var, skewness, kurtosis) == pytest.approx(PUBLISHED[beta], abs=1e-9)


def test_quantiles_agree_with_published_tables() -> None:
    assert TracyWidom(1).ppf([0.01, 0.05, 0.1, 0.5, 0.9, 0.95, 0.99]) == pytest.approx(
        [-3.8954, -3.1804, -2.7824, -1.2686, 0.4501, 0.9793, 2.0234], abs=6e-5
    )
    assert TracyWidom(2).ppf([0.05, 0.5, 0.95]) == pytest.approx([-3.1942, -1.8049, -0.2325], abs=6e-5)


def test_beta_two_agrees_with_the_integrated_painleve_equation() -> None:
    """log F_2'' = -q**2, q'' = s q + 2 q**3, q ~ Ai at infinity, integrated down from s = 6."""
    start = 6.0
    ai, slope = airy(start)[:2]
    state = [ai, slope, 0.0, slope**2 - start * ai**2]  # the last: integral of Ai**2 above the start
    path = solve_ivp(
        lambda s, u: [u[1], s * u[0] + 2 * u[0] ** 3, u[3], -(u[0] ** 2)],
        (start, -3.0), state, method="DOP853", rtol=1e-13, atol=1e-16, t_eval=[0.0, -1.0, -3.0],
    )  # fmt: skip
    assert np.allclose(TracyWidom(2).logcdf(path.t) - TracyWidom(2).logcdf(start), path.y[2], atol=1e-8)


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_the_table_continues_the_series_of_the_left_tail(beta: int) -> None:
    s = np.array([-6.999, -6.5])
    height, slope = _log_minus_log(beta, s)
    series, series_slope = _left(beta, -s)
    assert np.allclose(height, series, atol=1e-8)
    assert np.allclose(slope, series_slope, atol=1e-6)
    assert TracyWidom(beta).logpdf(-60.0) < -5e3


def test_right_tails_agree_with_the_first_terms_of_the_determinants() -> None:
    """1 - F_1 ~ tr B = (1/2) integral of Ai; 1 - F_2 ~ tr B**2; 1 - F_4 ~ (tr B**2 - (tr B)**2)/2."""
    for s in (8.0, 15.0, 20.0):
        with mpmath.workdps(30):
            ai, slope = mpmath.airyai(s), mpmath.airyai(s, derivative=1)
            trace = mpmath.quad(mpmath.airyai, [s, s + 1, s + 4, s + 20]) / 2
            square = (2 * mpmath.mpf(s) ** 2 * ai**2 - 2 * s * slope**2 - ai * slope) / 3
            tails = {1: trace, 2: square, 4: (square - trace**2) / 2}
        for beta, tail in tails.items():
            x = s / math.sqrt(2) if beta == 4 else s
            assert TracyWidom(beta).logsf(x) == pytest.approx(float(mpmath.log(tail)), rel=1e-8)


def test_the_largest_eigenvalue_of_real_wishart_matrices_follows_beta_one() -> None:
    """Johnstone 2001: centre (sqrt(n-1) + sqrt(p))**2; a wrong beta is rejected by the same test."""
    p, n, rng = 200, 400, np.random.default_rng(0)
    root = math.sqrt(n - 1) + math.sqrt(p)
    width = root * (1 / math.sqrt(n - 1) + 1 / math.sqrt(p)) ** (1 / 3)
    largest = np.sort([ensembles.wishart(p, n, rng=rng)[-1] * n for _ in range(500)])
    steps = (np.arange(500) + 0.5) / 500
    distances = {b: np.abs(TracyWidom(b).cdf((largest - root**2) / width) - steps).max() for b in (1, 2)}
    assert distances[1] < 1.95 / math.sqrt(500) < distances[2]


def test_another_beta_is_refused() -> None:
    with pytest.raises(InputError, match="beta = 3 is not 1, 2 or 4"):
        TracyWidom(3)


@pytest.mark.parametrize(("beta", "rate", "power"), [(1, 2 / 3, 3 / 4), (2, 4 / 3, 3 / 2), (4, 4 / 3, 3.0)])
def test_far_on_the_right_the_law_falls_as_its_asymptotic_form(beta, rate, power):
    """d log(1 - F)/ds = -(3/2) rate sqrt(s) - power/s + O(s**-5/2), by differences; of beta 4 in s = sqrt(2) x."""
    law, s, h, unit = TracyWidom(beta), np.array([14.0, 30.0]), 1e-3, math.sqrt(2) if beta == 4 else 1.0
    slope = (law.logsf((s + h) / unit) - law.logsf((s - h) / unit)) / (2 * h)
    assert np.all(np.abs(slope + 1.5 * rate * np.sqrt(s) + power / s) < 0.3 * power / s)


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_far_on_the_right_the_density_is_the_derivative_of_the_tail(beta: int) -> None:
    law, s, h = TracyWidom(beta), _HIGH + 2.0, 1e-3
    slope = (float(law.logsf(s + h)) - float(law.logsf(s - h))) / (2 * h)
    assert math.exp(float(law.logpdf(s)) - float(law.logsf(s))) == pytest.approx(-slope, rel=1e-5)
