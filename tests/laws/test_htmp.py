"""Identities of the HTMP law: transforms, moments, limits, its reciprocal, its tails, its domain."""

import math

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from htmu_diag.errors import InputError
from htmu_diag.laws import HTMP, InverseHTMP, MarchenkoPastur
from htmu_diag.laws.htmp_table import table

PAIRS = [(0.25, 4.0), (0.5, 0.5), (1.0, 3.0), (0.1, 20.0), (0.5, 2.0), (0.5, 4.0), (0.99, 100.0)]


def parameters(gamma: float, kappa: float) -> tuple[float, float, float]:
    """a, c and the mean in y."""
    c = kappa / 2
    return c * (1 / gamma - 1) - 1, c, c / gamma


@pytest.mark.parametrize(("gamma", "kappa"), PAIRS)
@pytest.mark.parametrize("z", [0.1, 1.0, 7.0])
def test_stieltjes_transform_is_a_ratio_of_tricomi_functions(gamma: float, kappa: float, z: float) -> None:
    """Integral of f(y)/(y + z) dy = U(c+1, 1-a, z)/U(c, -a, z), by mpmath (scipy's hyperu loses digits here)."""
    a, c, mean = parameters(gamma, kappa)
    law = HTMP(gamma, kappa)
    inner = lambda t: math.exp(t) * law.pdf(math.exp(t)) / (mean * math.exp(t) + z)  # noqa: E731
    below = law.cdf(1e-12) / z
    integral = quad(inner, math.log(1e-12), math.log(40.0), limit=500, epsabs=1e-13, epsrel=1e-12)[0]
    expected = mpmath.hyperu(c + 1, 1 - a, z) / mpmath.hyperu(c, -a, z)
    assert integral + below == pytest.approx(float(expected), rel=1e-9)


@pytest.mark.parametrize(("gamma", "kappa"), [*PAIRS, (0.01, 1e3), (0.3, 0.01)])
def test_moments_are_those_of_the_jacobi_matrix(gamma: float, kappa: float) -> None:
    a, c, mean = parameters(gamma, kappa)
    k = np.arange(1.0, 8.0)
    factor = np.diag(np.sqrt(a + c + k)) + np.diag(np.sqrt(c + k[:-1]), -1)
    jacobi = factor @ factor.T / mean
    law = HTMP(gamma, kappa)
    for order in range(1, 5):
        weighted = lambda t, m=order: math.exp((m + 1) * t) * law.pdf(math.exp(t))  # noqa: E731
        top = law.isf(1e-18)
        got = sum(quad(weighted, low, high, limit=400)[0] for low, high in [(-40, -2), (-2, 1), (1, math.log(top) + 1)])
        assert got == pytest.approx(np.linalg.matrix_power(jacobi, order)[0, 0], rel=1e-8)


@pytest.mark.parametrize("gamma", [0.01, 0.25, 0.7])
def test_large_kappa_tends_to_marchenko_pastur_like_one_over_kappa(gamma: float) -> None:
    low, high = MarchenkoPastur(gamma).edges
    x = np.linspace(low, high, 41)[4:-4]
    gaps = [np.abs(HTMP(gamma, kappa).cdf(x) - MarchenkoPastur(gamma).cdf(x)).max() for kappa in (1e3, 1e4, 1e6)]
    assert gaps[0] < 1e-2
    assert gaps[0] / gaps[1] == pytest.approx(10.0, rel=0.1)
    assert gaps[1] / gaps[2] == pytest.approx(100.0, rel=0.1)


def test_kappa_is_continuous_at_the_hand_over_and_infinity_is_allowed() -> None:
    x = np.linspace(0.2, 2.4, 200)
    below, above = HTMP(0.25, 0.999e6), HTMP(0.25, np.inf)
    assert np.abs(below.cdf(x) - above.cdf(x)).max() < 1e-8
    assert np.abs(above.cdf(x) - MarchenkoPastur(0.25).cdf(x)).max() < 1e-6


@pytest.mark.parametrize("shape", [0.3, 1.0, 2.5])
def test_small_kappa_at_fixed_exponent_tends_to_a_gamma_law(shape: float) -> None:
    kappa = 1e-6
    gamma = kappa / (kappa + 2 * shape)
    x = np.geomspace(1e-3, 5, 50)
    gamma_law = stats.gamma(shape, scale=1 / shape)
    assert np.abs(HTMP(gamma, kappa).logpdf(x) - gamma_law.logpdf(x)).max() < 1e-4
    assert np.abs(HTMP(gamma, kappa).cdf(x) - gamma_law.cdf(x)).max() < 1e-5


@pytest.mark.parametrize(("gamma", "kappa"), PAIRS)
def test_the_reciprocal_of_the_reciprocal_is_the_law(gamma: float, kappa: float) -> None:
    law, inverse, x = HTMP(gamma, kappa, 2.0), InverseHTMP(gamma, kappa, 0.5), np.geomspace(1e-3, 8.0, 30)
    assert np.allclose(inverse.logpdf(1 / x) - 2 * np.log(x), law.logpdf(x), rtol=1e-11, atol=1e-11)
    assert np.allclose(inverse.sf(1 / x), law.cdf(x), rtol=1e-11)
    assert np.allclose(1 / inverse.isf([0.01, 0.3, 0.9]), law.ppf([0.01, 0.3, 0.9]), rtol=1e-11)


@pytest.mark.parametrize(("gamma", "kappa"), [(0.25, 4.0), (0.5, 0.5), (0.9, 30.0)])
def test_the_density_falls_with_the_stated_exponents(gamma: float, kappa: float) -> None:
    law, inverse = HTMP(gamma, kappa), InverseHTMP(gamma, kappa)
    slope = np.diff(law.logpdf([1e-40, 1e-41])) / math.log(0.1)
    assert slope == pytest.approx(law.lower_tail_exponent, abs=1e-9)
    assert np.diff(inverse.logpdf([1e40, 1e41])) / math.log(10.0) == pytest.approx(-inverse.tail_exponent, abs=1e-9)
    assert inverse.tail_exponent == pytest.approx(1 + kappa * (1 - gamma) / (2 * gamma), rel=1e-12)


def test_at_gamma_one_the_density_near_zero_falls_like_one_over_x_log_squared() -> None:
    t = np.array([-1e4, -2e4])  # log y far below what x itself can hold
    log_g = table(-1.0, 1.5).log_g(t)
    assert np.diff(log_g) == pytest.approx(2 * math.log(0.5), abs=1e-3)


def test_the_phase_of_tricomis_function_is_the_distribution_function() -> None:
    """F = |arg U(c, -a, y exp(-i pi))|/(pi c), by mpmath, where the argument has not yet left (-pi, pi]."""
    a, c, mean = parameters(0.3, 1.5)
    for x in (1e-3, 0.1, 1.0, 2.0):
        value = mpmath.hyperu(c, -a, mpmath.mpc(-x * mean, mpmath.mpf(10) ** -40 * -1))
        assert HTMP(0.3, 1.5).cdf(x) == pytest.approx(abs(float(mpmath.arg(value))) / (math.pi * c), abs=1e-11)


def test_the_reciprocal_moments_come_from_the_transform_at_zero() -> None:
    law = InverseHTMP(0.3, 8.0, 2.0)
    low, high = law.ppf(1e-15), law.isf(1e-40)
    weighted = lambda t, m: math.exp((m + 1) * t) * law.pdf(math.exp(t))  # noqa: E731
    first, second = (quad(weighted, math.log(low), math.log(high), args=(m,), limit=400)[0] for m in (1, 2))
    assert first == pytest.approx(law.mean(), rel=1e-9)
    assert second - first**2 == pytest.approx(law.var(), rel=1e-7)
    assert InverseHTMP(0.5, 1.0).mean() == InverseHTMP(0.3, 1.0).var() == math.inf


@pytest.mark.parametrize("law", [HTMP, InverseHTMP])
@pytest.mark.parametrize("bad", [(0.0, 1.0), (1.5, 1.0), (np.nan, 1.0), (0.5, 0.0), (0.5, -1.0), (0.5, 1.0, 0.0)])
def test_parameters_outside_the_domain_raise_with_the_reason(law: type, bad: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"(gamma|kappa|scale) = .* is not"):
        law(*bad)


@pytest.mark.parametrize("gamma", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("kappa", [1e-3, 0.1, 5.0, 300.0, 1e4])
def test_the_two_halves_of_the_table_meet_with_total_mass_one(gamma: float, kappa: float) -> None:
    a, c, _ = parameters(gamma, kappa)
    unit = table(a, c)
    middle = unit.edges[unit.middle]
    left, right = unit.log_tails(np.array([np.nextafter(middle, -np.inf), middle]))
    assert math.exp(left[0]) + math.exp(right[1]) == pytest.approx(1.0, abs=1e-14)
    assert abs(unit._log_mass) < 2e-11  # before both halves were divided by it: the error of the table


@pytest.mark.parametrize(("gamma", "kappa"), [(0.01, 1e4), (0.3, 1e4), (0.01, 50.0), (1.0, 1e-3)])
def test_the_distribution_function_never_steps_back_by_more_than_rounding(gamma: float, kappa: float) -> None:
    a, c, _ = parameters(gamma, kappa)
    unit = table(a, c)
    for edge in (*unit.edges[1:-1:4], unit.edges[unit.middle]):
        for step in (1e-14, 1e-12, 1e-9, 1e-6):
            cdf, sf = np.exp(unit.log_tails(edge + step * np.arange(-50, 51)))
            assert np.diff(cdf).min() > -1e-14
            assert np.diff(sf).max() < 1e-14


@pytest.mark.parametrize(("gamma", "kappa"), [(1e-8, 1.0), (1e-6, 1e4), (1e-8, np.inf), (0.5, 1e-12), (1.0, 1e-12)])
def test_beyond_the_measured_domain_the_law_still_has_mass_one(gamma: float, kappa: float) -> None:
    law = HTMP(gamma, kappa)
    x = np.concatenate([np.geomspace(1e-10, 30.0, 200), 1 + np.sqrt(gamma) * np.linspace(-3, 3, 99)])
    assert np.abs(law.cdf(x) + law.sf(x) - 1.0).max() < 1e-12
    assert not np.isnan(law.logpdf(x)).any()


def test_a_gamma_or_kappa_too_small_to_compute_is_refused_with_the_law_to_use() -> None:
    with pytest.raises(InputError, match="use MarchenkoPastur"):
        HTMP(1e-9, 1.0)
    with pytest.raises(InputError, match="use a Gamma law"):
        HTMP(0.5, 1e-13)


@pytest.mark.parametrize(("gamma", "kappa"), [*PAIRS, (0.3, 0.01)])
def test_the_slopes_of_the_density_are_those_of_its_difference_quotients(gamma: float, kappa: float) -> None:
    """Inside the table, in both closed forms beyond it, and of a scale that is not one."""
    law, h = HTMP(gamma, kappa, 3.0), 1e-3
    edges = law._table.edges[[0, -1]] - law._shift
    log_x = np.concatenate([np.linspace(-12, 2, 57), edges[0] - [5.0, 1.0], edges[1] + [1.0, 2.0]])
    heights = np.stack([law.logpdf(np.exp(log_x + k * h)) + log_x + k * h for k in range(-2, 3)])
    first, second = np.array([1, -8, 0, 8, -1]) / (12 * h), np.array([-1, 16, -30, 16, -1]) / (12 * h**2)
    found = law.log_slopes(np.exp(log_x))
    size = np.abs(found) + np.abs(found[0]) + 1
    assert found[0] == pytest.approx(heights[2], rel=1e-12, abs=1e-12)
    assert (np.abs(found[1] - first @ heights) <= 1e-7 * size[1]).all()
    assert (np.abs(found[2] - second @ heights) <= 1e-5 * size[2]).all()
