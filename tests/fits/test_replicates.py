"""Replicates of the bootstrap: what the kept tables say is what each replicate says when it is written out."""

import numpy as np
import pytest

from htmu_diag.fits import replicate_search
from htmu_diag.fits.power_law import AskedTail, fit_power_laws
from htmu_diag.fits.replicate_numbers import Numbers, numbers_of_seed
from htmu_diag.fits.replicate_search import Flat, Points, Room, search
from htmu_diag.fits.replicate_tails import OwnTails, ReplicateTails, at_known_start
from htmu_diag.fits.replicates import FAR, Ordered, seeded
from htmu_diag.fits.scan import scan, tail_at
from htmu_diag.fits.tail_bootstrap import Resampled, bootstrap_tails

SAMPLES = {
    "pareto": lambda rng, n: 1 + rng.pareto(2.0, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, n),
    "ties": lambda rng, n: np.round(1 + rng.pareto(1.5, n), 1),
    "integers": lambda rng, n: rng.integers(1, 30, n).astype(float),
    "a bulk": lambda rng, n: rng.gamma(9, size=n),
    "60 decades": lambda rng, n: 10.0 ** rng.uniform(-30, 30, n),
}


def ordered(rows, size, seed=0):
    return Ordered.of(seeded(seed)(rows, size))


def written_out(values, found, table, row):
    """One replicate: which values the row's ordered uniform numbers pick, each by its quantile."""
    n = values.size
    levels = table.levels(n)[row]
    cell = np.ceil(n * levels).astype(int)
    size = int((cell <= found.n_tail).sum())
    tail = found.xmin * (levels[:size] * n / found.n_tail) ** (-1 / (found.alpha - 1))
    return np.sort(np.concatenate([tail, values[n - cell[size:]]]))


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(("n", "replicates"), [(10, 200), (65, 30), (300, 15)])
def test_replicates_are_searched_as_if_they_were_written_out(name, n, replicates):
    values = np.sort(SAMPLES[name](np.random.default_rng(n), n))
    found = scan(values)
    table = numbers_of_seed(3, replicates, n).ordered
    alone = [scan(written_out(values, found, table, row)) for row in range(replicates)]
    fit = bootstrap_tails([Resampled(values, found, replicates, 3)])[0]
    expected = [one.alpha - 1 for one in alone if one is not None]
    assert fit.alphas - 1 == pytest.approx(np.array(expected), rel=5e-6)
    distances = np.array([one.ks_distance for one in alone if one is not None])
    assert fit.p_value == (1 + (distances >= found.ks_distance).sum()) / (1 + replicates)
    assert fit.excess == pytest.approx(found.ks_distance - np.quantile(distances, 0.9), abs=2e-6)


@pytest.mark.parametrize(("n", "replicates"), [(12, 400), (40, 400)])
def test_a_replicate_without_a_tail_value_begins_none_at_its_two_largest_values(n, replicates):
    values = np.linspace(1, 2, n) ** 0.2  # furthest from a power law at its end
    found = tail_at(values, values[-3])
    table = numbers_of_seed(1, replicates, n).ordered
    fit = bootstrap_tails([Resampled(values, found, replicates, 1)])[0]
    sizes = (np.ceil(n * table.levels(n)) <= 3).sum(axis=1)
    assert (np.bincount(sizes)[:3] > 5).all()
    expected = [scan(written_out(values, found, table, row)) for row in range(replicates)]
    assert fit.alphas == pytest.approx(np.array([one.alpha for one in expected]), rel=5e-6)
    distances = np.array([one.ks_distance for one in expected])
    assert fit.p_value == (1 + (distances >= found.ks_distance).sum()) / (1 + replicates)
    assert fit.excess == pytest.approx(found.ks_distance - np.quantile(distances, 0.9), abs=2e-6)


@pytest.mark.parametrize("n", [1, 2, 30])
def test_levels_are_ordered_uniform_numbers(n):
    levels = ordered(4000, 30).levels(n)
    assert (np.diff(levels, axis=1) > 0).all()
    rank = np.arange(1, n + 1)
    error = np.sqrt(rank * (n + 1 - rank) / (n + 1) ** 2 / (n + 2) / 4000)
    assert (np.abs(levels.mean(axis=0) - rank / (n + 1)) < 4.5 * error).all()
    assert levels.std(axis=0) == pytest.approx(error * np.sqrt(4000), rel=0.06)


def test_the_numbers_of_a_seed_do_not_depend_on_how_many_are_asked_for():
    whole, source = seeded(5)(7, 600), seeded(5)
    assert np.array_equal(np.concatenate([source(3, 600), source(4, 600)]), whole)
    assert np.array_equal(seeded(5)(2, 130), whole[:2, :130])
    assert not np.array_equal(seeded(6)(7, 600), whole)


def test_what_is_kept_of_tails_does_not_depend_on_the_order_of_questions():
    table = ordered(20, 400)
    sizes = [np.random.default_rng(k).integers(0, 300, 20) for k in range(6)]
    kept, fresh = ReplicateTails(table), [ReplicateTails(table).best(each) for each in sizes]
    for each, (best, counts) in zip([*sizes, *sizes[::-1]], [*fresh, *fresh[::-1]], strict=True):
        again = kept.best(each)
        assert np.array_equal(again[0], best)
        assert np.array_equal(again[1], counts)


def test_a_replicate_without_a_tail_value_has_no_point_at_xmin():
    table = ordered(2, 20)
    sizes, starts = np.array([0, 4]), table.heights[:, 4] - 0.01
    tails = OwnTails.of(table, starts, sizes, np.ones((20, 2)), *ReplicateTails(table).best(sizes))
    assert tails.last[0] == FAR
    assert (tails.logs[:, 0] == -FAR).all()
    assert tails.logs[:, 1] == pytest.approx(starts[1] - table.heights[1, :4], rel=5e-6)


def test_logarithms_over_xmin_are_exponential_whatever_their_number():
    """How many lie above xmin comes from the same random numbers, and must leave the lengths as they are."""
    own = Numbers(seeded(9)(4000, 60)).own[60, 15]
    rows = own.sizes > 0
    smallest, means = own.last[rows] * own.sizes[rows], np.maximum(own.logs, 0).sum(axis=0)[rows] / own.sizes[rows]
    assert smallest.mean() == pytest.approx(1, abs=4.5 / np.sqrt(rows.sum()))
    assert ((means - 1) * np.sqrt(own.sizes[rows])).mean() == pytest.approx(0, abs=4.5 / np.sqrt(rows.sum()))


def test_a_known_start_is_fitted_as_a_tail_that_is_written_out():
    table = ordered(20, 60)
    distances, slopes = at_known_start(table, 50)
    for row, distance, slope in zip(range(20), distances, slopes, strict=True):
        alone = tail_at(np.sort(np.exp((table.heights[row, 50] - table.heights[row, :50]) / 1.5)), 1.0)
        assert slope * 1.5 == pytest.approx(alone.alpha - 1, rel=5e-6)
        assert distance == pytest.approx(alone.ks_distance, abs=2e-6)


def test_tables_of_many_sizes_are_not_all_kept():
    numbers = Numbers(seeded(0)(100, 700))
    for n in range(600, 650, 2):
        assert numbers.cells[n].counts.shape == (n + 1, 100)
        assert numbers.own[n, 50].sizes.size == 100
    assert len(numbers.cells.kept) < 5


def test_the_numbers_of_all_streams_of_a_seed_are_kept():
    first = [numbers_of_seed(seed, 3, 20) for seed in range(16)]
    assert all(numbers_of_seed(seed, 3, 20) is kept for seed, kept in enumerate(first))


def asked():
    rng = np.random.default_rng(0)
    kinds = ["pareto", "ties", "a bulk", "pareto", "lognormal", "a bulk", "60 decades"]
    sizes = [100, 64, 100, 400, 30, 64, 2000]
    some = [AskedTail(SAMPLES[k](rng, n), bootstrap=40, rng=n % 3) for k, n in zip(kinds, sizes, strict=True)]
    bad = [AskedTail(np.array([1.0, np.nan, 2.0])), AskedTail(np.ones(50), bootstrap=40), AskedTail(np.arange(1.0, 4))]
    other = [
        AskedTail(some[0].values, tail="lower", bootstrap=40),
        AskedTail(some[3].values, xmin=1.5, bootstrap=40),
        AskedTail(some[3].values, xmin=1e9, bootstrap=40),
        AskedTail(some[2].values),
    ]
    return [*some, *bad, *other]


def test_a_fit_does_not_depend_on_what_is_fitted_beside_it():
    many = asked()
    alone = [repr(fit_power_laws([each])[0]) for each in many]
    assert [repr(fit) for fit in fit_power_laws(many)] == alone
    order = np.random.default_rng(1).permutation(len(many))
    assert [repr(fit) for fit in fit_power_laws([many[k] for k in order])] == [alone[k] for k in order]
    assert fit_power_laws([]) == []


@pytest.mark.parametrize("few", [0, 30])
def test_of_equal_candidates_the_first_one_counts_however_many_are_measured_at_once(few, monkeypatch):
    rng = np.random.default_rng(0)
    logs = -np.sort(rng.exponential(1.0, (6, 3)).astype(np.float32), axis=0)
    row, at = np.repeat(np.arange(3), 4), np.tile(np.arange(2, 6), 3)
    slope = [-(k + 1) / (logs[: k + 1, r] - logs[k, r]).sum() for r, k in zip(row, at, strict=True)]
    of = np.stack((logs[at, row], slope, 1 / (at + 1), rng.random(12) * 0.01)).astype(np.float32)
    twice = Flat(np.repeat(row, 2), np.repeat(2 * at, 2) + np.tile([0, 1], 12), np.repeat(of, 2, axis=1))
    twice.of[3, 1::2] = 0  # the later of two equal ones is tried first
    points = Points(
        np.repeat(logs, 2, 0), np.repeat(np.arange(1, 7, dtype=np.float32), 2)[:, None] * np.ones(3, "f4"), Room(12, 24)
    )
    found = {}
    for limit in (few, 1000):
        monkeypatch.setattr(replicate_search, "_FEW", limit)
        best, rates = np.ones(3, np.float32), np.zeros(3)
        won = search(twice.take(np.arange(24)), points, best, rates)
        assert (won % 2 == 0).all()
        found[limit] = [*best, *rates, *won]
    assert found[few] == found[1000]
