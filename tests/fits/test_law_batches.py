"""Spectra that are ranked together come out as each of them does alone, to the last bit."""

import pickle

import numpy as np
import pytest

from htmu_diag.fits.distance import ks_distance, ks_of_all, ks_of_levels
from htmu_diag.fits.law_ranking import LawRanking, rank_laws, rank_laws_of
from htmu_diag.laws.ensembles import beta_laguerre, wishart


def spectra() -> list[tuple[np.ndarray, float]]:
    """Noise, its neighbours, tails, spikes, a square one, a large one, and three that no law is fitted to."""
    rng = np.random.default_rng(7)
    found = [(wishart(p, 3 * p, rng=rng), 1 / 3) for p in (20, 64, 65, 64)]
    found += [(beta_laguerre(64, 1.0, kappa, rng=rng), 1.0) for kappa in (0.5, 8.0)]
    found += [(np.sort(rng.pareto(1.2, size) + 1), 0.25) for size in (64, 300)]
    found.append((np.append(wishart(64, 192, rng=rng), [7.0, 30.0]), 1 / 3))
    found.append((beta_laguerre(1500, 1 / 3, 2.0, rng=rng), 1 / 3))
    found.append((1 / beta_laguerre(64, 0.25, 1.0, rng=rng), 0.25))
    found += [(np.append(np.ones(30), np.nan), 0.5), (np.ones(40), 0.5), (np.arange(1.0, 15.0), 0.5)]
    return found


def to_the_last_bit(found: LawRanking) -> str:
    return repr((found, [law.ks_distance for law in found.laws]))


@pytest.fixture(scope="module")
def alone() -> list[str]:
    return [to_the_last_bit(rank_laws(*one)) for one in spectra()]


@pytest.mark.parametrize("seed", range(4))
def test_each_is_what_it_is_alone_in_any_company_and_order(alone: list[str], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(alone))[: 14 - 3 * seed]
    given = spectra()
    together = rank_laws_of([given[k] for k in order])
    assert [to_the_last_bit(one) for one in together] == [alone[k] for k in order]


def test_more_than_are_searched_at_once(alone: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("htmu_diag.fits.law_ranking._TOGETHER", 3)
    assert [to_the_last_bit(one) for one in rank_laws_of(spectra())] == alone


def test_of_none_there_are_none() -> None:
    assert rank_laws_of([]) == []


def test_distances_side_by_side_are_those_one_by_one() -> None:
    rng = np.random.default_rng(0)
    levels = [np.sort(rng.random(n)) for n in (1, 5, 40, 2)]
    assert ks_of_all(levels) == [ks_of_levels(each) for each in levels]
    assert ks_of_all(levels[:2]) == [ks_of_levels(each) for each in levels[:2]]
    assert ks_of_all([]) == []


def test_the_distance_of_a_ranked_law_is_found_later_and_elsewhere() -> None:
    """It is that of the law at the nearest shape of the grid, and a copy in another process finds the same."""
    values = beta_laguerre(200, 0.5, 3.0, rng=np.random.default_rng(2))
    found = rank_laws(values, 0.5)
    copied = pickle.loads(pickle.dumps(found))
    assert "ks_distance" not in vars(found.laws[0])
    assert copied == found
    for law, copy in zip(found.laws, copied.laws, strict=True):
        assert copy.ks_distance == law.ks_distance
        if law.name != "Wachter":  # the nearest spread of its grid is further away
            assert law.ks_distance == pytest.approx(ks_distance(values, law.law), abs=0.01)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("gamma", [1e-3, 1.0])
def test_values_of_any_size_overflow_nothing(gamma: float) -> None:
    for spread in (1e-3, 30.0, 600.0):
        found = rank_laws(np.exp(np.linspace(-spread, spread, 40)), gamma)
        assert all(np.isfinite(law.log_likelihood) for law in found.laws)
        assert found.laws
