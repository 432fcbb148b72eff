"""HTMP beyond its reference table: random and extreme points against arbitrary precision."""

from pathlib import Path

import numpy as np
import pytest

from htmu_diag.laws import HTMP
from tests.oracles.htmp_exact import by_asymptotic_series, by_continued_fraction, by_tricomi, phase


def relative_error(gamma: float, kappa: float, x: float, expected: float) -> float:
    return abs(float(HTMP(gamma, kappa).logpdf(x)) - expected) / max(1.0, abs(expected))


def test_random_points_agree_with_tricomis_function() -> None:
    rng = np.random.default_rng(7)
    for _ in range(60):
        gamma = float(rng.choice([1.0, rng.uniform(0.01, 1), 10 ** rng.uniform(-2, 0)]))
        kappa = float(10 ** rng.uniform(-3, 2))
        # y at most 300: beyond, the series take seconds a point
        x = float(10 ** rng.uniform(-10, np.log10(min(30.0, 600.0 * gamma / kappa))))
        assert relative_error(gamma, kappa, x, float(by_tricomi(gamma, kappa, x))) < 1e-10, (gamma, kappa, x)


@pytest.mark.parametrize(("gamma", "kappa"), [(0.5, 2.0), (0.5, 4.0), (0.2, 1.0), (0.25, 8.0), (1.0, 0.001)])
def test_integer_exponents_are_ordinary_points(gamma: float, kappa: float) -> None:
    for x in (1e-10, 1e-3, 0.5, 3.0):
        assert relative_error(gamma, kappa, x, float(by_tricomi(gamma, kappa, x))) < 1e-10


@pytest.mark.parametrize(("gamma", "kappa"), [(0.25, 1e4), (0.01, 1e4), (0.5, 1e3), (0.04, 300.0)])
def test_strong_repulsion_agrees_with_the_continued_fraction_at_the_edges(gamma: float, kappa: float) -> None:
    low, high = (1 - gamma**0.5) ** 2, (1 + gamma**0.5) ** 2
    for x in (0.9 * low, 1.01 * low, 1.0, high, 1.1 * high):
        assert relative_error(gamma, kappa, x, float(by_continued_fraction(gamma, kappa, x))) < 1e-10


@pytest.mark.parametrize("gamma", [0.99, 1.0])
def test_strong_repulsion_at_a_hard_edge_agrees_with_tricomis_function(gamma: float) -> None:
    for kappa in (1e3, 1e4):
        for x in (1e-10, 1e-7, 1e-5, 1e-4):
            assert relative_error(gamma, kappa, x, float(by_tricomi(gamma, kappa, x))) < 1e-10


@pytest.mark.parametrize(("gamma", "kappa"), [(0.01, 37.0), (0.01, 1e4), (0.3, 1e3), (0.9999, 1e4), (1.0, 37.0)])
def test_the_far_upper_tail_agrees_with_the_asymptotic_series(gamma: float, kappa: float) -> None:
    for x in (10.0, 30.0):
        assert relative_error(gamma, kappa, x, float(by_asymptotic_series(gamma, kappa, x))) < 1e-10
    assert by_asymptotic_series(1.0, 20.0, 12.0) == pytest.approx(by_tricomi(1.0, 20.0, 12.0), rel=1e-12)


@pytest.mark.parametrize("gamma", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("kappa", [1e-3, 1.0, 4.0, 100.0])
def test_the_distribution_function_is_a_phase_to_1e_9(gamma: float, kappa: float) -> None:
    law = HTMP(gamma, kappa)
    for x in (1e-10, 1e-5, 1e-2, 0.3, 1.0, 1.5):
        y = x * kappa / (2 * gamma)
        if y < 400:
            exact, turn = phase(gamma, kappa, x, digits=60 if y < 60 else 300), 4 / kappa
            off = [abs((float(law.cdf(x)) - sign * exact + turn / 2) % turn - turn / 2) for sign in (1, -1)]
            assert min(off) < 1e-11
            assert abs(float(HTMP(gamma, 1.01 * kappa).cdf(x) - law.cdf(x))) > 1e-11 or law.cdf(x) < 1e-8


def test_the_two_exact_routes_agree_with_each_other_and_disagree_with_another_law() -> None:
    exact = float(by_tricomi(0.25, 60.0, 0.8))
    assert float(by_continued_fraction(0.25, 60.0, 0.8)) == pytest.approx(exact, abs=1e-14)
    assert relative_error(0.25, 60.001, 0.8, exact) > 1e-8


def test_rows_of_the_reference_table_come_out_of_the_closed_formula_again() -> None:
    rows = np.loadtxt(Path(__file__).parents[1] / "laws" / "htmp_logpdf.csv", delimiter=",", skiprows=1)
    cheap = rows[rows[:, 1] * rows[:, 2] / rows[:, 0] < 400]
    for gamma, kappa, x, logpdf in cheap[::9]:
        assert float(by_tricomi(gamma, kappa, x)) == pytest.approx(logpdf, rel=1e-14, abs=1e-14)
