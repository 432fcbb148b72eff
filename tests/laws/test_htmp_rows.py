"""Tails and quantiles from rows, a few points of many laws, beside the laws' own."""

import math

import numpy as np
import pytest

from htmu_diag.laws import HTMP, InverseHTMP, MarchenkoPastur
from htmu_diag.laws.htmp_lattice import row_at
from htmu_diag.laws.htmp_rows import log_survivals, log_survivals_at, row_law


def laws() -> list[HTMP | InverseHTMP]:
    cases = [(HTMP, 0.5, 3.0), (InverseHTMP, 0.5, 3.0), (HTMP, 1.0, 0.2), (InverseHTMP, 0.2, 40.0), (HTMP, 0.5, 5e3)]
    return [law.from_row(gamma, kappa, 1.7, row_at(gamma, kappa)) for law, gamma, kappa in cases]


def test_tails_of_many_laws_are_those_of_each() -> None:
    rng, every = np.random.default_rng(0), laws()
    points = [np.exp(rng.normal(0, 2, size)) for size in (1, 40, 7, 0, 12)]
    rows = [row for law in every if (row := row_law(law)) is not None]
    found = log_survivals(rows, [x.size for x in points], np.log(np.concatenate(points)))
    np.testing.assert_array_equal(found, np.concatenate([law.logsf(x) for law, x in zip(every, points, strict=True)]))


@pytest.mark.parametrize("law", laws(), ids=repr)
@pytest.mark.parametrize("p", [0.3, 1e-3, 1e-12])
def test_one_point_is_found_by_its_tail_and_back(law: HTMP | InverseHTMP, p: float) -> None:
    row = row_law(law)
    assert row is not None
    log_x = row.upper_quantile(math.log(p))
    assert math.exp(log_x) == pytest.approx(float(law.isf(p)), rel=1e-9)
    assert log_survivals_at([row], [math.exp(log_x)]) == pytest.approx([math.log(p)], rel=1e-12)


def test_single_points_of_many_laws_have_the_shares_of_each_law_alone() -> None:
    rows = [row for law in laws() if (row := row_law(law)) is not None]
    points = np.random.default_rng(3).lognormal(0, 1.5, len(rows)).tolist()
    found = log_survivals_at(rows, points)
    for row, x, log_share in zip(rows, points, found, strict=True):
        assert log_share == log_survivals_at([row], [x])[0]
        assert log_share == row.row.tail_at(row.sign * math.log(x) + row.shift, above=row.sign > 0)[0]
    assert log_survivals_at([], []) == []


def test_beyond_the_nodes_there_is_no_quantile() -> None:
    row = row_law(laws()[1])
    assert row is not None
    assert math.isnan(row.upper_quantile(-5e3))


def test_laws_without_rows_have_none() -> None:
    assert row_law(HTMP(0.5, 3.0)) is None
    assert row_law(MarchenkoPastur(0.5)) is None
    assert row_law(None) is None
