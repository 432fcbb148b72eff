"""The rows of noise over a lognormal population: moments in closed form, their limit, matrices that were drawn."""

import math
from functools import partial

import numpy as np
import pytest
from scipy.integrate import trapezoid

from htmu_diag.fits.law_ranking import rank_laws
from htmu_diag.fits.law_row import LevelRows, Row
from htmu_diag.fits.law_rows import FAMILIES
from htmu_diag.fits.law_sample import CONTAMINATION
from htmu_diag.laws import MarchenkoPastur
from htmu_diag.laws.free import log_density_at
from htmu_diag.laws.log_gap import marchenko_pastur_log_gap

FAMILY = next(family for family in FAMILIES if family.name == "FreeLognormal")
GAMMAS = [0.1, 0.5, 0.9]
PLACES = [FAMILY.low, -8, -4, -1, 0]


def mean_of(row: Row, values: np.ndarray) -> float:
    return float(trapezoid(row.density * values, row.nodes))


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("place", PLACES)
def test_moments_are_those_of_noise_and_population(gamma: float, place: int) -> None:
    """Mass and mean one; the mean square is gamma more than the population's; a determinant is a product, so that
    logarithms have the sum of both means."""
    row, sigma = FAMILY.row(gamma, place), FAMILY.shape(place)
    t = row.nodes
    assert mean_of(row, np.ones(t.size)) == pytest.approx(1, abs=0.003)
    assert mean_of(row, np.exp(t)) == pytest.approx(1, abs=0.003)
    assert mean_of(row, np.exp(2 * t)) == pytest.approx(math.exp(sigma**2) + gamma, rel=0.01)
    assert mean_of(row, t) == pytest.approx(-(sigma**2) / 2 - marchenko_pastur_log_gap(gamma), abs=0.01)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_without_a_spread_it_is_marchenko_pasturs_law(gamma: float) -> None:
    law, levels = MarchenkoPastur(gamma), np.linspace(0.02, 0.98, 25)
    t = np.log(law.ppf(levels))
    least, spread = FAMILY.row(gamma, FAMILY.low), FAMILY.row(gamma, -4)
    assert np.abs(least.cdf(t) - levels).max() < 0.01
    assert np.abs(spread.cdf(t) - levels).max() > 0.01


@pytest.mark.parametrize(("gamma", "place"), [(0.25, -3), (0.5, 0), (1.0, -2)])
def test_matrices_with_lognormal_rows_have_the_levels_of_their_row_and_of_no_other(gamma: float, place: int) -> None:
    rng, p = np.random.default_rng(place + 10), 300
    sigma = FAMILY.shape(place)
    spread = np.exp(0.5 * sigma * np.sort(rng.standard_normal(p)) - sigma**2 / 4)
    values = np.linalg.svd(rng.standard_normal((p, round(p / gamma))) * spread[:, None], compute_uv=False)[::-1] ** 2
    t, levels = np.log(values / np.mean(values)), (np.arange(p) + 0.5) / p
    near, other = (np.abs(FAMILY.row(gamma, k).cdf(t) - levels).max() for k in (place, place + 3))
    assert near < 0.04
    assert other > 0.06


@pytest.mark.parametrize(("apart", "seed"), [(0.35, 1), (0.6, 1), (0.6, 4)])
def test_the_likelihood_between_two_shapes_is_that_of_the_law_itself(apart: float, seed: int) -> None:
    """Variances of two sizes: densities that end in cliffs, which move with the spread."""
    rng, n = np.random.default_rng([round(2 * apart - 0.5) * 2, seed]), 200
    matrix = rng.standard_normal((n, 4 * n)) * (1 + apart * np.sign(np.arange(n) - n / 2))[:, None]
    values = np.linalg.eigvalsh(matrix @ matrix.T) / (4 * n)
    found, t = rank_laws(values, 0.25).of("FreeLognormal"), np.log(values)
    assert found is not None
    densities = (1 - CONTAMINATION) * np.exp(found.law.logpdf(values) + t) + CONTAMINATION / (t[-1] - t[0])
    assert found.log_likelihood == pytest.approx(np.log(densities).sum(), abs=0.07)


def test_rows_along_levels_agree_with_the_equation_between_and_with_the_rows_at_whole_places() -> None:
    gamma = 0.4
    rows = LevelRows(partial(FAMILY.row, gamma), FAMILY.low, FAMILY.high)
    for place in (-4.5, -1.3, 0.5, float(FAMILY.high)):
        t, log_g = rows.between(place)
        inner = log_g > -8
        exact = log_density_at(t[inner], gamma, FAMILY.shape(place))
        assert np.abs(np.exp(log_g[inner]) - np.exp(exact)).max() < 0.02 * np.exp(exact).max()
    (t, log_g), row = rows.between(-3.0), FAMILY.row(gamma, -3)
    np.testing.assert_allclose(log_g, np.interp(t, row.nodes, row.log_g), atol=1e-9)
