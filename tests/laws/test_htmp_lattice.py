"""The rows of the HTMP law are the law: against its own tables."""

import math
import pickle

import numpy as np
import pytest

from htmu_diag.laws import HTMP, InverseHTMP
from htmu_diag.laws.htmp_lattice import STEP, grid_row, row_at
from htmu_diag.laws.htmp_table import table

CASES = [(gamma, kappa) for gamma in (0.02, 0.3, 0.7, 1.0) for kappa in (0.02, 2.1, 150.0, 9500.0)]
LEVELS = np.array([1e-6, 1e-3, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999, 1 - 1e-6])


@pytest.mark.parametrize(("gamma", "kappa"), CASES)
def test_a_row_between_the_grid_has_the_density_the_tails_and_the_quantiles_of_the_law(gamma, kappa):
    law = HTMP(gamma, kappa, 3.0)
    x = law.ppf(LEVELS)
    x = x[x > 1e-290]
    for exact, rough, at in (
        (law, HTMP.from_row(gamma, kappa, 3.0, row_at(gamma, kappa)), x),
        (InverseHTMP(gamma, kappa, 3.0), InverseHTMP.from_row(gamma, kappa, 3.0, row_at(gamma, kappa)), 9 / x),
    ):
        assert np.abs(rough.logpdf(at) - exact.logpdf(at)).max() < 1e-4
        assert np.abs(rough.cdf(at) - exact.cdf(at)).max() < 2e-6
        assert np.abs(rough.logsf(at) - exact.logsf(at)).max() < 1e-4
        assert rough.cdf(rough.ppf(exact.cdf(at))) == pytest.approx(exact.cdf(at), rel=1e-4)


def _off(row, gamma, kappa):
    """How far a row is from the table of its own law where there is mass; derivatives over their largest."""
    own, inside = table(0.5 * kappa * (1 - gamma) / gamma - 1, 0.5 * kappa), row.data[0] > -60
    t = row.lattice.nodes[inside] + math.log(kappa / (2 * gamma))
    exact = np.concatenate([own.log_g_slopes(t), own.log_tails(t)])
    worst = np.abs(row.data[:, inside] - exact).max(axis=1)
    return worst / np.maximum(1.0, np.abs(exact).max(axis=1) * np.array([0, 1, 1, 0, 0]))


@pytest.mark.parametrize("gamma", [1e-3, 0.99995])  # which no file has
def test_rows_that_are_solved_together_are_those_of_laws_solved_one_by_one(gamma):
    for index in (-30, -7, 12, 37):
        off = _off(grid_row(gamma, index), gamma, math.exp(index * STEP))
        assert off[:2].max() < 1e-9
        assert off[2:].max() < 1e-7


def test_a_row_of_a_neighbouring_law_is_seen_to_be_another():
    assert (_off(grid_row(1e-3, 12), 1e-3, math.exp(12.00001 * STEP)) > 1e-7).any()


@pytest.mark.parametrize(("gamma", "kappa"), [(0.3, 2.0), (1.0, 40.0)])
@pytest.mark.parametrize("above", [False, True])
def test_a_tail_at_one_point_has_its_slopes(gamma, kappa, above):
    row, h = row_at(gamma, kappa), 1e-3
    for t in (-1.0, 0.0, 0.7):
        low, mid, high = (row.tail_at(t + d, above=above) for d in (-h, 0.0, h))
        assert mid[0] == pytest.approx(row.log_tails(np.array([t]))[int(above)][0], abs=1e-9)
        assert mid[1] == pytest.approx((high[0] - low[0]) / (2 * h), rel=1e-3)
        assert mid[2] == pytest.approx((high[1] - low[1]) / (2 * h), rel=1e-2, abs=1e-4)


@pytest.mark.parametrize("law", [HTMP, InverseHTMP])
def test_both_tails_at_once_are_the_two_tails(law) -> None:
    found = law.from_row(0.25, 3.0, 2.0, row_at(0.25, 3.0))
    x = np.geomspace(1e-3, 50, 40)
    below, above = found.log_tails(x)
    np.testing.assert_array_equal(below, found.logcdf(x))
    np.testing.assert_array_equal(above, found.logsf(x))


def test_a_wrong_kappa_has_another_row():
    x = HTMP(0.3, 2.0).ppf(LEVELS)
    assert np.abs(HTMP.from_row(0.3, 2.2, 1.0, row_at(0.3, 2.2)).cdf(x) - LEVELS).max() > 1e-3


def test_a_pickled_law_leaves_its_row_behind():
    law = HTMP.from_row(0.3, 2.0, 1.0, row_at(0.3, 2.0))
    back = pickle.loads(pickle.dumps(law))
    assert back == law
    assert len(pickle.dumps(law)) < 300
    assert back.cdf(1.0) == pytest.approx(law.cdf(1.0), rel=1e-6)
