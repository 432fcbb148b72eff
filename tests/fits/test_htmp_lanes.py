"""Many HTMP fits at once: their likelihoods, their maxima, and that none depends on its company."""

from __future__ import annotations

import math

import numpy as np
import pytest

from htmu_diag.fits import LawFit, fit_htmp, fit_htmp_bulk, fit_marchenko_pastur
from htmu_diag.fits.htmp import Asked, fit_htmps
from htmu_diag.fits.htmp_bulk import AskedBulk, fit_htmps_and_bulks
from htmu_diag.fits.htmp_lanes import Lane, Lanes
from htmu_diag.fits.htmp_likelihood import HIGHEST, LOWEST, Likelihood
from htmu_diag.fits.htmp_null import Null, _null, htmp_p_values
from htmu_diag.fits.htmp_profiles import Brackets
from htmu_diag.fits.htmp_search import searched
from htmu_diag.fits.htmp_starts import starts
from htmu_diag.fits.repulsion import log_kappa_factors, skewness, skewnesses, spread_factors
from htmu_diag.fits.sextic import Sextic, tops
from htmu_diag.laws.ensembles import beta_laguerre, spiked, wishart
from htmu_diag.laws.htmp_lattice import grid_row, row_at
from htmu_diag.laws.htmp_windows import STARTS, WIDTH

Values = np.ndarray
KINDS = ("noise", "spikes", "htmp", "inverse", "pareto", "lognormal")


def _values(kind: str, seed: int, n: int = 60) -> Values:
    rng = np.random.default_rng(seed)
    made = {
        "noise": lambda: wishart(n, 2 * n, rng=rng),
        "spikes": lambda: spiked(n, 2 * n, np.geomspace(3, 30, 5), rng=rng),
        "htmp": lambda: beta_laguerre(n, 0.5, math.exp(rng.uniform(-1, 4)), rng=rng),
        "inverse": lambda: 1 / beta_laguerre(n, 0.5, math.exp(rng.uniform(0, 4)), rng=rng)[::-1],
        "pareto": lambda: np.sort(rng.pareto(2.0, n) + 1),
        "lognormal": lambda: np.sort(np.exp(rng.standard_normal(n))),
    }
    return np.asarray(made[kind]())


def _told(fit: LawFit) -> tuple[object, ...]:
    """All that a fit says, so that two can be compared to the last bit."""
    law = None if fit.law is None else (type(fit.law), fit.law, float(fit.law.cdf(1.0)))
    return (repr(fit), law)


OF_ALL_KINDS = pytest.mark.parametrize(
    ("unseen", "cut", "inverse"), [(0.0, None, False), (7.0, None, True), (3.0, 0.3, False)]
)


def _lanes_and_each_alone(
    masses: bool, unseen: float, cut: float | None, inverse: bool
) -> tuple[list[Lane], list[Likelihood]]:
    rng, lanes, single = np.random.default_rng(0), [], []
    for n in (20, 33, 50):
        x = np.sort(np.exp(0.3 * rng.standard_normal(n)))
        end = None if cut is None else float(np.log(x[0]) - cut if inverse else np.log(x[-1]) + cut)
        each = rng.random(n) if masses else None
        lanes.append(Lane(0.5, np.log(x), each, unseen, inverse, end))
        ones = np.ones(n) if each is None else each
        single.append(Likelihood(x, ones, 0.5, unseen, inverse, None if end is None else math.exp(end)))
    return lanes, single


@pytest.mark.parametrize("masses", [False, True])
@OF_ALL_KINDS
def test_the_likelihoods_of_lanes_are_those_of_each_row(
    masses: bool, unseen: float, cut: float | None, inverse: bool
) -> None:
    lanes, single = _lanes_and_each_alone(masses, unseen, cut, inverse)
    numbers, v = np.array([2, 5, 3]), np.array([0.1, -0.05, 0.0])
    found = Lanes(lanes).slopes(np.arange(3), numbers, v)
    for k in range(3):
        for row in range(0, WIDTH, 5):
            expected = single[k]._slopes(grid_row(0.5, int(STARTS[numbers[k]]) + row), v[k])
            assert found[:2, k, row] == pytest.approx(expected[:2], rel=5e-6, abs=5e-6)
            assert found[2, k, row] == pytest.approx(expected[2], rel=5e-3, abs=0.05)


@pytest.mark.parametrize("masses", [False, True])
@OF_ALL_KINDS
def test_under_a_row_of_its_own_the_likelihood_of_a_lane_is_in_double_precision(
    masses: bool, unseen: float, cut: float | None, inverse: bool
) -> None:
    lanes, single = _lanes_and_each_alone(masses, unseen, cut, inverse)
    rows = [row_at(0.5, kappa) for kappa in (2.2, 15.0, 5.0)]
    v = np.array([0.1, -0.05, 0.0])
    third = [np.gradient(row.data[2], row.lattice.nodes) for row in rows]
    found = Lanes(lanes).under(list(zip(rows, third, strict=True)), np.arange(3), v)
    for k in range(3):
        height, slope, bend = single[k]._slopes(rows[k], v[k])
        assert found[:2, k] == pytest.approx([height, slope], rel=1e-11, abs=1e-11)
        assert found[2, k] == pytest.approx(bend, rel=5e-3, abs=0.05)


def test_a_value_beyond_the_lattice_leaves_its_lane_alone() -> None:
    lanes = Lanes([Lane(0.5, np.log([0.5, 1.0, 2.0])), Lane(0.5, np.log([0.5, 1.0, 1e9]))])
    found = lanes.slopes(np.arange(2), np.array([4, 4]), np.zeros(2))
    assert np.isfinite(found[:, 0]).all()
    assert np.isnan(found[:, 1]).all()


def test_between_two_places_a_polynomial_of_degree_five_has_its_maximum() -> None:
    polynomial = np.polynomial.Polynomial([1.0, 0.3, -2.0, 0.2, -0.1, 0.05])
    orders = [polynomial, polynomial.deriv(), polynomial.deriv(2)]
    known = Brackets.empty(1, 1)
    for v in (-0.4, 0.5):
        known.see(np.array([v]), np.array([[[order(v)]] for order in orders]))
    found = known.profiles()
    grid = np.linspace(-0.4, 0.5, 100_001)
    assert found.heights[0, 0] == pytest.approx(polynomial(grid).max(), abs=1e-9)
    assert found.v[0, 0] == pytest.approx(grid[polynomial(grid).argmax()], abs=1e-4)
    assert found.settled(found.heights[:, 0])[0, 0]


def test_tops_of_many_curves_are_those_of_each() -> None:
    rng = np.random.default_rng(1)
    heights = -((np.arange(-3, 4) - rng.uniform(-2.5, 2.5, (40, 1))) ** 2) + 0.05 * rng.standard_normal((40, 7))
    near = heights.argmax(axis=1) - 3
    place, bend, value, slope = tops(heights, np.sin(heights), near)
    for k in range(40):
        one, beside = Sextic.through(heights[k].tolist()), Sextic.through(np.sin(heights[k]).tolist())
        assert one.at(place[k]) == pytest.approx(one.at(one.highest(int(near[k]))), abs=1e-7)
        assert (bend[k], value[k], slope[k]) == pytest.approx(
            (one.bend(place[k]), beside.at(place[k]), beside.slope(place[k])), rel=1e-9, abs=1e-9
        )


def test_factors_of_many_are_those_of_each() -> None:
    gammas, n = np.array([0.05, 0.3, 1.0]), np.array([20.0, 64.0, 500.0])
    kappas = np.exp(np.linspace(-6, 9, 31)) + np.zeros((3, 1))
    factors, skewed = log_kappa_factors(gammas, kappas, n), skewnesses(kappas, n)
    for k in range(3):
        for j in range(0, 31, 3):
            assert factors[k, j] == pytest.approx(spread_factors(gammas[k], kappas[k, j], n[k])[0], rel=1e-12)
            assert skewed[k, j] == pytest.approx(skewness(kappas[k, j], n[k]), rel=1e-12)


def test_p_values_lie_on_the_line_between_the_entries_of_the_table() -> None:
    distances = np.linspace(0.01, 0.3, 30)
    found = htmp_p_values([Null("ks", d, 64, 0.4, 3.0) for d in distances])
    before, after, share = _null().row("ks", 64, 0.4, 3.0)
    row = before + np.float64(share) * (after - before).astype(np.float64)
    scores = np.interp(8 * distances, row, _null().scores)
    assert found == pytest.approx([0.5 * math.erfc(z / math.sqrt(2)) for z in scores], rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_peak_is_no_lower_than_that_of_the_search_alone(kind: str) -> None:
    for seed in range(4):
        values = _values(kind, seed)
        for inverse in (False, True):
            data = 1 / values[::-1] if inverse else values
            fit = fit_htmp(values, 0.5, orientation="inverse" if inverse else "direct")
            assert fit.law is not None
            unit = data / data.mean()
            peak = Likelihood(unit, np.ones(unit.size), 0.5).maximise(2.0)
            v = math.log(1 / fit.scale if inverse else fit.scale) - math.log(data.mean())
            height = Likelihood(unit, np.ones(unit.size), 0.5).at(math.log(fit.law.kappa), v)  # type: ignore[attr-defined]
            assert height > peak.log_likelihood - 1e-4


def test_a_fit_is_the_same_in_any_company() -> None:
    rng = np.random.default_rng(3)
    asked = [
        Asked(_values(kind, seed, n), gamma, orientation)
        for seed, (kind, n, gamma, orientation) in enumerate(
            (kind, n, gamma, orientation)
            for kind in KINDS
            for n, gamma in ((25, 1.0), (60, 0.5))
            for orientation in ("direct", "inverse")
        )
    ]
    values = _values("htmp", 5)
    asked += [
        Asked(values, 0.5, "auto"),
        Asked(values, 0.5, weights=rng.random(60) + 0.5),
        Asked(values[-30:], 0.5, dimension=60),
        Asked(values, 0.5, below=float(values[50])),
        Asked(values, 0.5, floor=float(values[0] / 2)),
        Asked(np.full(30, np.nan), 0.5),
        Asked(values[:5], 0.5),
        Asked(np.r_[np.full(30, 1e-300), 1.0, 2.0, 3.0], 1.0),
    ]
    alone = [_told(fit_htmps([one])[0]) for one in asked]
    for _ in range(3):
        order = rng.permutation(len(asked))[: rng.integers(2, len(asked) + 1)]
        together = fit_htmps([asked[k] for k in order])
        assert [_told(fit) for fit in together] == [alone[k] for k in order]


def test_bulks_beside_whole_spectra_are_those_alone() -> None:
    given = [(_values(kind, seed), 0.5) for seed, kind in enumerate(KINDS)]
    bulks = [AskedBulk(values, gamma, fit_marchenko_pastur(values, gamma)) for values, gamma in given]
    whole, beside = fit_htmps_and_bulks([Asked(values, gamma) for values, gamma in given], bulks)
    assert [_told(fit) for fit in whole] == [_told(fit_htmp(values, gamma)) for values, gamma in given]
    assert [_told(fit) for fit in beside] == [_told(fit_htmp_bulk(*one)) for one in bulks]


def test_a_cut_beyond_everything_cuts_nothing() -> None:
    values = _values("htmp", 1)
    for orientation in ("direct", "inverse"):
        fit = fit_htmp(values, 0.5, orientation=orientation, below=math.inf)  # type: ignore[arg-type]
        assert fit.kappa == pytest.approx(fit_htmp(values, 0.5, orientation=orientation).kappa, rel=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("kappa", [0.05, 1.0, 12.0, 3000.0])
@pytest.mark.parametrize("start", [-20, 4, 15, 33])
def test_the_search_goes_to_the_window_of_the_highest_row(kappa: float, start: int) -> None:
    """Three rows or more from both ends of the window, but where the grid ends, with as high a maximum there."""
    values = beta_laguerre(80, 0.5, kappa, rng=np.random.default_rng(2))
    values /= values.mean()
    levels = np.full((2, 1, HIGHEST - LOWEST + 1), 1.96)
    found, known = searched(Lanes([Lane(0.5, np.log(values))]), np.array([start]), levels)
    likelihood = Likelihood(values, np.ones(80), 0.5)
    heights = [likelihood.profile(k) for k in range(LOWEST, HIGHEST + 1)]
    top, first = int(np.argmax(heights)) + LOWEST, int(STARTS[found.numbers[0]])
    assert first + int(known.heights[0].argmax()) == top
    assert max(top - 3, LOWEST) >= first
    assert min(top + 3, HIGHEST) < first + WIDTH
    assert known.heights[0].max() == pytest.approx(max(heights), abs=1e-3)


def test_lanes_of_several_ratios_lie_beside_each_other() -> None:
    """Each with masses beyond or without, in any order of calls."""
    rng, lanes = np.random.default_rng(4), []
    for gamma, unseen, cut in ((0.2, 0.0, None), (0.2, 5.0, None), (0.7, 0.0, 2.0), (1.0, 2.0, 1.5), (1.0, 0.0, None)):
        lanes.append(Lane(gamma, np.sort(0.3 * rng.standard_normal(30)), None, unseen, False, cut))
    numbers, v = np.array([2, 5, 4, 3, 6]), 0.1 * rng.standard_normal(5)
    together = Lanes(lanes).slopes(np.arange(5), numbers, v)
    for some in ([0], [3], [1, 2], [0, 2, 2, 4], [2, 3, 4]):
        assert np.array_equal(Lanes(lanes).slopes(np.array(some), numbers[some], v[some]), together[:, some])
        alone = Lanes([lanes[some[0]]]).slopes(np.array([0]), numbers[some[:1]], v[some[:1]])
        assert np.array_equal(alone[:, 0], together[:, some[0]])


def test_a_side_of_a_maximum_keeps_what_is_nearest_to_it() -> None:
    """Of -(v - 1)**2 the maximum lies between the largest v on its left and the least on its right."""
    known = Brackets.empty(1, 1)
    for v in (-3.0, 0.5, -1.0, 4.0, 1.2, 2.0, math.nan):
        known.see(np.array([v]), np.array([[[-((v - 1) ** 2)]], [[-2 * (v - 1)]], [[-2.0 + 0 * v]]]))
    assert known.sides[:, 0, 0, 0].tolist() == [0.5, 1.2]
    found = known.profiles()
    assert (found.heights[0, 0], found.v[0, 0]) == pytest.approx((0.0, 1.0), abs=1e-12)


@pytest.mark.parametrize(("seed", "n", "gamma"), [(49, 20, 0.6), (130, 20, 0.6), (147, 32, 0.4), (156, 20, 0.6)])
def test_a_row_beyond_that_is_higher_is_where_the_peak_is_looked_for(seed: int, n: int, gamma: float) -> None:
    """Pareto samples whose likelihood has two maxima, the higher one at the end of the grid."""
    values = np.sort(np.random.default_rng(seed).pareto(2.0, n) + 1)
    likelihood = Likelihood(values / values.mean(), np.ones(n), gamma)
    heights = np.array([likelihood.profile(k) for k in range(4, HIGHEST + 1)])
    assert heights[:12].max() > heights[12] < heights[-1]
    found = fit_htmp(values, gamma).log_likelihood + n * math.log(values.mean())
    assert found == pytest.approx(heights.max(), abs=0.01)


def test_searches_begin_near_the_kappa_of_their_matrices() -> None:
    rng = np.random.default_rng(5)
    for gamma in (0.1, 0.5, 0.9):
        for kappa in (0.2, 1.0, 5.0, 20.0):
            values = [beta_laguerre(200, gamma, kappa, rng=rng) for _ in range(5)]
            rows = starts([Lane(gamma, np.log(x / x.mean())) for x in values])
            assert 0.25 * np.median(rows) == pytest.approx(math.log(kappa), abs=0.4)
