"""Random matrices have the laws that they are said to have, and are told apart from wrong ones."""

import math

import numpy as np
import pytest

from htmu_diag.errors import InputError
from htmu_diag.laws import HTMP, ContinuousLaw, MarchenkoPastur, bidiagonal, ensembles


def distance(law: ContinuousLaw, values: np.ndarray) -> float:
    steps = np.arange(values.size + 1) / values.size
    cdf = law.cdf(np.sort(values))
    return float(max(np.abs(cdf - steps[1:]).max(), np.abs(cdf - steps[:-1]).max()))


@pytest.mark.parametrize(("gamma", "kappa"), [(0.25, 4.0), (1.0, 1.0), (0.5, 30.0)])
def test_beta_laguerre_follows_htmp_and_rejects_a_quarter_of_the_repulsion(gamma: float, kappa: float) -> None:
    values = ensembles.beta_laguerre(4000, gamma, kappa, scale=2.0, rng=np.random.default_rng(0))
    critical = 1.63 / math.sqrt(4000)  # p = 0.01 for independent samples; repulsion only makes it stricter
    assert distance(HTMP(gamma, kappa, 2.0), values) < 0.7 * critical
    assert distance(HTMP(gamma, kappa / 4, 2.0), values) > critical


@pytest.mark.parametrize(("p", "n"), [(300, 600), (600, 300), (400, 400)])
def test_wishart_follows_marchenko_pastur_closer_than_independent_samples_would(p: int, n: int) -> None:
    values = ensembles.wishart(p, n, rng=np.random.default_rng(0), scale=3.0)
    gamma = min(p, n) / max(p, n)
    assert distance(MarchenkoPastur(gamma, 3.0), values) < 0.3 / math.sqrt(values.size)
    assert distance(MarchenkoPastur(gamma, 3.3), values) > 0.03


def test_the_bidiagonal_wishart_has_the_moments_of_the_dense_one() -> None:
    rng = np.random.default_rng(0)
    values = np.array([ensembles.wishart(3, 5, rng=rng) for _ in range(20_000)]) * 5
    assert values.sum(axis=1).mean() == pytest.approx(15.0, rel=0.01)
    assert (values**2).sum(axis=1).mean() == pytest.approx(3 * 5 * (3 + 5 + 1), rel=0.02)


@pytest.mark.parametrize("gamma", [0.5, 1.0])
def test_beta_laguerre_with_as_much_repulsion_as_eigenvalues_is_wishart(gamma: float) -> None:
    """kappa = n is beta = 1: the same Gamma variables, hence the same eigenvalues from the same seed."""
    kappa_n = ensembles.beta_laguerre(50, gamma, 50.0, rng=np.random.default_rng(0))
    assert kappa_n == pytest.approx(ensembles.wishart(50, round(50 / gamma), rng=np.random.default_rng(0)), rel=1e-12)


def test_beta_laguerre_has_its_mean_at_every_size() -> None:
    rng = np.random.default_rng(0)
    means = [ensembles.beta_laguerre(3, 0.5, 2.0, rng=rng, scale=7.0).mean() for _ in range(4000)]
    assert np.mean(means) == pytest.approx(7.0, abs=4 * np.std(means) / math.sqrt(4000))


def test_spikes_leave_the_bulk_only_beyond_the_transition() -> None:
    """Baik & Silverstein 2006: spike l > 1 + sqrt(gamma) is seen at l (1 + gamma/(l - 1))."""
    values = ensembles.spiked(500, 1000, [10.0, 5.0, 1.3], rng=np.random.default_rng(0))
    edge = MarchenkoPastur(0.5).edges[1]
    assert values[-2:] == pytest.approx([5 * (1 + 0.5 / 4), 10 * (1 + 0.5 / 9)], rel=0.1)
    assert values[-3] < 1.05 * edge


def test_levy_matrices_have_the_tail_exponent_of_their_entries() -> None:
    """Hill's estimate over the largest 5 %: density exponent 1 + index/2."""
    values = ensembles.levy(500, 1000, 1.0, rng=np.random.default_rng(0))
    top = values[-25:]
    hill = 1 + top.size / np.log(top / values[-26]).sum()
    assert hill == pytest.approx(1.5, abs=4 * 0.5 / math.sqrt(25))
    assert values[-1] > 50 * np.median(values)


def test_the_same_seed_gives_the_same_matrix() -> None:
    first, second = (ensembles.beta_laguerre(50, 0.5, 3.0, rng=np.random.default_rng(3)) for _ in range(2))
    assert (first == second).all()


def test_tiny_eigenvalues_keep_their_digits_where_the_law_has_mass_near_zero() -> None:
    """At gamma = 1, kappa = 0.3 a third of the values lies below 1e-16; products of them are determinants."""
    values = ensembles.beta_laguerre(2000, 1.0, 0.3, rng=np.random.default_rng(0))
    law = HTMP(1.0, 0.3)
    for x in (1e-200, 1e-100, 1e-30, 1e-16, 1e-4):
        share = (values <= x).mean()
        assert share == pytest.approx(law.cdf(x), abs=2.6 * math.sqrt(0.25 / 2000))


def test_bidiagonal_singular_values_have_the_product_of_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    diagonal, below = np.exp(rng.uniform(-60, 3, 40)), np.exp(rng.uniform(-60, 3, 39))
    values = bidiagonal.squared_singular_values(diagonal, below)
    assert np.log(values).sum() == pytest.approx(np.log(diagonal).sum(), rel=1e-13)
    dense = np.diag(np.sqrt(diagonal)) + np.diag(np.sqrt(below), -1)
    assert values[-5:] == pytest.approx(np.sort(np.linalg.svd(dense, compute_uv=False))[-5:] ** 2, rel=1e-12)


def random_chain(n: int, kappa: float) -> tuple[np.ndarray, np.ndarray]:
    rng, repulsion = np.random.default_rng(5), kappa / 2 * np.arange(n - 1, -1, -1) / n
    return rng.standard_gamma(kappa / 2 + repulsion), rng.standard_gamma(repulsion[:-1])


def test_windows_of_a_localised_chain_give_the_eigenvalues_of_the_whole() -> None:
    diagonal, below = random_chain(5000, 3.0)
    values = bidiagonal._by_windows(diagonal, below, 250)
    assert values is not None
    assert np.allclose(values, bidiagonal._dqds(diagonal, below), rtol=1e-11)


def test_windows_refuse_a_chain_whose_states_are_long() -> None:
    assert bidiagonal._by_windows(*random_chain(3000, 1000.0), 250) is None


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_smallest_matrices_are_sampled_too(n: int) -> None:
    rng = np.random.default_rng(0)
    assert ensembles.beta_laguerre(n, 0.5, 3.0, rng=rng).shape == (n,)
    assert ensembles.wishart(n, 4, rng=rng).shape == (n,)


def test_parameters_outside_the_domain_raise_with_the_reason() -> None:
    rng = np.random.default_rng(0)
    for call in (
        lambda: ensembles.beta_laguerre(10, 1.5, 1.0, rng=rng),
        lambda: ensembles.beta_laguerre(10, 0.5, 0.0, rng=rng),
        lambda: ensembles.beta_laguerre(0, 0.5, 1.0, rng=rng),
        lambda: ensembles.wishart(0, 5, rng=rng),
        lambda: ensembles.levy(5, 5, 2.0, rng=rng),
        lambda: ensembles.spiked(2, 5, [3.0, 2.0, 1.0], rng=rng),
    ):
        with pytest.raises(InputError, match=";"):
            call()


def test_one_number_gives_its_square() -> None:
    """W W^T / n of one row is the mean of n squares."""
    many = np.concatenate([ensembles.wishart(1, 1, rng=np.random.default_rng(seed)) for seed in range(2000)])
    assert many.mean() == pytest.approx(1.0, abs=4 * math.sqrt(2 / 2000))


def test_a_scale_of_nothing_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError):
        ensembles.wishart(4, 4, scale=0.0, rng=rng)
    with pytest.raises(InputError):
        ensembles.beta_laguerre(4, 0.5, 1.0, scale=0.0, rng=rng)
