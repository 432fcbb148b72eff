"""The rows that a file has are those of the law's own tables."""

import math
from dataclasses import replace

import numpy as np
import pytest

from htmu_diag.laws import htmp_lattice as lattice_module
from htmu_diag.laws import htmp_stored
from htmu_diag.laws.htmp_lattice import FIRST, LAST, STEP, grid_row, lattice
from htmu_diag.laws.htmp_marks import Marks
from htmu_diag.laws.htmp_stored import place_of, stored_rows
from htmu_diag.laws.htmp_table import table

RATIOS = [0.0041, 0.013, 0.13, 0.41, 0.76, 0.958, 0.972, 0.991, 0.9998, 1.0]
WITHIN = np.array([5e-7, 1e-6, 3e-4, 5e-7, 1e-5])  # of log g, its derivatives over their largest, log F, log(1 - F)


def _off(found, gamma, index):
    """(5,) how far a row is from the law's own table where there is mass, and (5,) elsewhere, relative."""
    kappa = math.exp(index * STEP)
    own, t = table(0.5 * kappa * (1 - gamma) / gamma - 1, 0.5 * kappa), lattice(gamma).nodes
    exact = own.slopes_and_tails(t + math.log(kappa / (2 * gamma)))
    mass, off, size = exact[0] > -60, np.abs(found - exact), np.abs(exact)
    largest = np.where([False, True, True, False, False], np.maximum(size[:, mass].max(axis=1), 1), 1)
    return off[:, mass].max(axis=1) / largest, (off / np.maximum(size, 1))[:, ~mass].max(axis=1)


def _row(gamma, index):
    rows = stored_rows(gamma, np.exp([index * STEP]), index - FIRST, lattice(gamma).nodes)
    return rows if rows is None else rows[0]


@pytest.mark.parametrize("gamma", RATIOS)
@pytest.mark.parametrize("index", [-30, -11, 2, 15, 37])
def test_a_stored_row_is_that_of_the_laws_own_table(gamma, index) -> None:
    where_mass_is, elsewhere = _off(_row(gamma, index), gamma, index)
    assert (where_mass_is < WITHIN).all()
    assert (elsewhere < 2e-3).all()


@pytest.mark.parametrize("gamma", [0.3, 0.98, 1.0])
def test_rows_that_are_made_together_are_those_made_one_by_one(gamma) -> None:
    for index in range(FIRST, LAST + 1):
        together, alone = grid_row(gamma, index).data, _row(gamma, index)
        np.testing.assert_allclose(together[[0, 1, 3, 4]], alone[[0, 1, 3, 4]], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(together[2], alone[2], rtol=1e-8, atol=1e-8)


def test_a_row_has_the_same_bits_whichever_of_its_eight_is_asked_for_first() -> None:
    lattice_module._eight.cache_clear()
    first = grid_row(0.3, 7).data.copy()
    lattice_module._eight.cache_clear()
    for index in (11, 4, 20):
        grid_row(0.3, index)
    np.testing.assert_array_equal(grid_row(0.3, 7).data, first)


def test_a_changed_number_of_the_file_is_seen(monkeypatch) -> None:
    stored = htmp_stored._stored("other")
    small = stored.small.copy()
    start, end = stored._starts[2 - FIRST : 4 - FIRST]
    small[1, start + np.flatnonzero(small[1, start:end] == 0)[::50]] = 16
    monkeypatch.setattr(htmp_stored, "_stored", lambda _: replace(stored, small=small, _decoded={}))
    assert (_off(_row(0.41, 2), 0.41, 2)[0] > WITHIN).any()


@pytest.mark.parametrize("gamma", [0.05, 0.5])
def test_the_density_goes_on_where_the_file_ends(gamma) -> None:
    t, (log_g, slope, bend, *_) = lattice(gamma).nodes, _row(gamma, 10)
    last = np.searchsorted(t, Marks.of(gamma, math.exp(10 * STEP)).end)
    near = slice(last - 3, last + 3)
    step, (slope, bend) = np.diff(t[near]), (slope[near], bend[near])
    rises = step * (slope[:-1] + slope[1:]) / 2 + step**2 / 12 * (bend[:-1] - bend[1:])  # Euler and Maclaurin
    np.testing.assert_allclose(np.diff(log_g[near]), rises, rtol=1e-3)


@pytest.mark.parametrize("gamma", [0.013, 0.5, 0.995, 1.0])
def test_a_stored_density_has_mass_one(gamma) -> None:
    t, (log_g, slope, _, below, above) = lattice(gamma).nodes, _row(gamma, 6)
    g, step = np.exp(log_g), np.diff(t)
    ends = step**2 / 12 * (g[:-1] * slope[:-1] - g[1:] * slope[1:])  # of each step, Euler and Maclaurin
    inside = (step * (g[1:] + g[:-1]) / 2 + ends).sum()
    assert inside + math.exp(below[0]) + math.exp(above[-1]) == pytest.approx(1, abs=2e-6)


def test_rows_do_not_depend_on_what_was_asked_for_before() -> None:
    first = _row(0.3, 4)
    htmp_stored._stored.cache_clear()
    for gamma, index in ((0.3, 5), (0.7, 4), (1.0, 4)):
        _row(gamma, index)
    np.testing.assert_array_equal(_row(0.3, 4), first)


@pytest.mark.parametrize("gamma", [1e-3, 0.003, 0.99995, 0.999999])
def test_ratios_beyond_the_file_have_no_stored_row(gamma) -> None:
    assert _row(gamma, 0) is None


def test_marks_are_those_of_their_t_and_have_its_slopes() -> None:
    marks, places = np.linspace(0.01, 2.99, 100), Marks.of(0.3, 7.0)
    t, h = places.t(marks), 1e-6
    found, slope, bend = Marks.at([places], t[None])[:, 0]
    np.testing.assert_allclose(found, marks, atol=1e-12)
    t, slope, bend = t[5:-5], slope[5:-5], bend[5:-5]
    above, below = (Marks.at([places], at[None])[:, 0] for at in (t + h, t - h))
    np.testing.assert_allclose(slope, (above[0] - below[0]) / (2 * h), rtol=1e-5)
    np.testing.assert_allclose(bend, (above[1] - below[1]) / (2 * h), rtol=1e-4, atol=1e-8)


def test_the_variable_of_the_ratio_grows_with_it() -> None:
    assert (np.diff([place_of(gamma) for gamma in (0.004, 0.1, 0.5, 0.96)]) > 0).all()
