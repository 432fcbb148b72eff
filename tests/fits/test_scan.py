"""The pruned scan answers what the plain one does."""

import numpy as np
import pytest

from htmu_diag.fits.scan import scan
from htmu_diag.fits.scan_rows import scan_rows


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


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(("count", "n"), [(1, 3), (7, 12), (30, 100), (5, 400)])
def test_many_samples_at_once_give_what_each_gives(name, count, n):
    rng = np.random.default_rng(n)
    samples = np.sort(np.stack([SAMPLES[name](rng, n)[:n] for _ in range(count)]), axis=1)
    exponents, distances = scan_rows(np.log(samples))
    for row, exponent, distance in zip(samples, exponents, distances, strict=True):
        found = scan(row)
        if found is None:
            assert np.isnan(exponent)
            assert np.isnan(distance)
        else:
            assert exponent == pytest.approx(found.alpha, rel=1e-12)
            assert distance == pytest.approx(found.ks_distance, abs=1e-5)


def test_a_sample_without_a_tail_is_nan_and_the_others_are_not():
    samples = np.array(
        [[1.0, 1.0, 1.0, 1.0, 2.0], [1.0, 2.0, 3.0, 5.0, 9.0], [2.0] * 5, [1e-300, 1, 1e100, 1e200, 1e300]]
    )
    exponents, _ = scan_rows(np.log(samples))
    assert np.isnan(exponents).tolist() == [True, False, True, False]
    assert exponents[3] == pytest.approx(scan(samples[3]).alpha)


def test_an_exponent_does_not_depend_on_the_unit_of_the_values():
    values = np.sort(1 + np.random.default_rng(0).pareto(2.0, 300))
    small = scan(values * 1e-200)
    assert small.alpha == pytest.approx(scan(values).alpha, rel=1e-10)
