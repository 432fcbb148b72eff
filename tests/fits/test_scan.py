"""The pruned scan answers what the plain one does."""

import numpy as np
import pytest

from htmu_diag.fits.scan import scan, tail_at, tails_at
from htmu_diag.fits.scans import scans


def plain_scan(values):
    """Every candidate in full, as the definition says: (distance, xmin, alpha, n_tail)."""
    best = (np.inf, 0.0, 0.0, 0)
    for xmin in np.unique(values)[:-2]:
        tail = np.sort(values[values >= xmin])
        logs = np.log(tail / xmin)
        rate = tail.size / logs.sum()
        below = np.searchsorted(tail, tail, "left") / tail.size
        best = min(best, (np.abs(1 - np.exp(-rate * logs) - below).max(), xmin, 1 + rate, tail.size))
    return best


SAMPLES = {
    "pareto": lambda rng, n: 1 + rng.pareto(2.0, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, n),
    "ties": lambda rng, n: np.round(1 + rng.pareto(1.5, n), 1),
    "integers": lambda rng, n: rng.integers(1, 30, n).astype(float),
    "bulk and tail": lambda rng, n: np.concatenate([rng.gamma(3, size=n), 2 + rng.pareto(1.5, n // 4)]),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("n", [12, 100, 400])
def test_pruning_never_changes_the_answer(name, n):
    rng = np.random.default_rng(n)
    for _ in range(5):
        values = np.sort(SAMPLES[name](rng, n))
        distance, xmin, alpha, n_tail = plain_scan(values)
        found = scan(values)
        assert (found.xmin, found.n_tail) == (xmin, n_tail)
        assert found.alpha == pytest.approx(alpha, rel=1e-12)
        assert found.ks_distance == pytest.approx(distance, abs=1e-12)


def test_an_exponent_does_not_depend_on_the_unit_of_the_values():
    values = np.sort(1 + np.random.default_rng(0).pareto(2.0, 300))
    small = scan(values * 1e-200)
    assert small.alpha == pytest.approx(scan(values).alpha, rel=1e-10)


@pytest.mark.parametrize("n", [3, 12, 128, 1100])
def test_scans_of_many_samples_are_those_of_each_to_the_last_bit(n):
    rng = np.random.default_rng(n)
    samples = [np.sort(draw(rng, n)[:n]) for draw in SAMPLES.values() for _ in range(3)]
    samples += [np.sort(10.0 ** rng.uniform(-150, 150, n)), np.full(n, 2.0), np.sort(rng.random(n + 1)), samples[0]]
    alone = [scan(values) for values in samples]
    assert scans(samples) == alone
    assert scans(samples[::-1]) == alone[::-1]
    assert scans([]) == []


def test_a_tail_of_equal_values_has_no_exponent():
    assert tail_at(np.full(6, 2.0), 2.0) is None
    assert tails_at([(np.full(6, 2.0), 2.0), (np.arange(1.0, 7), 2.0)])[0] is None


def test_a_tail_longer_than_numbers_go_has_its_exponent():
    decades = np.linspace(-200, 200, 41)
    assert tail_at(10.0**decades, 1e-200).alpha == pytest.approx(1 + 41 / (np.log(10) * (decades + 200).sum()))


def test_tails_side_by_side_count_from_their_own_first_values():
    """Also where one begins with the value that the one before it ends with."""
    first, second = np.array([1.0, 2.0, 3.0, 7.0]), np.array([2.0, 7.0, 7.0, 9.0, 20.0])
    given = [(first, 1.0), (second, 7.0), (first, 2.0)]
    assert tails_at(given) == [tail_at(*each) for each in given]
