"""Predictions hold as identities, and as limits of simulated matrices."""

import math

import numpy as np
import pytest

from htmu_diag.errors import InputError
from htmu_diag.theory import (
    bbp_threshold,
    eigenvalue_exponent,
    eigenvector_entropy,
    estimated_exponent,
    haar_entropy,
    inverse_htmp_tail_exponent,
    population_spike,
    repulsion_for_tail_exponent,
    sample_spike,
    spike_overlap,
)
from htmu_diag.theory.entropy import haar_entropy_stddev


@pytest.mark.parametrize("gamma", [0.05, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("kappa", [0.1, 1.0, 20.0])
def test_tail_exponent_and_repulsion_are_inverse_to_each_other(gamma: float, kappa: float) -> None:
    assert repulsion_for_tail_exponent(inverse_htmp_tail_exponent(kappa, gamma), gamma) == pytest.approx(
        kappa, rel=1e-12
    )


def test_a_square_matrix_keeps_tail_exponent_one() -> None:
    assert inverse_htmp_tail_exponent(3.0, 1.0) == 1.0
    assert repulsion_for_tail_exponent(2.0, 1.0) == math.inf


@pytest.mark.parametrize("gamma", [0.0, -0.5, 1.5, math.nan])
def test_an_impossible_ratio_is_refused_with_the_reason(gamma: float) -> None:
    with pytest.raises(InputError, match="smaller side over the larger"):
        inverse_htmp_tail_exponent(1.0, gamma)


def test_squaring_pareto_singular_values_halves_the_survival_exponent() -> None:
    sigma = np.random.default_rng(0).pareto(3.0, 200_000) + 1.0  # density exponent 4
    log_eigenvalues = np.log(sigma**2)
    alpha = 1.0 + 1.0 / log_eigenvalues.mean()
    assert alpha == pytest.approx(eigenvalue_exponent(4.0), abs=0.02)


@pytest.mark.parametrize("theta", [0.6, 1.0, 3.0, 40.0])
def test_sample_and_population_spike_are_inverse_to_each_other(theta: float) -> None:
    assert population_spike(sample_spike(theta, 0.25, 2.0), 0.25, 2.0) == pytest.approx(theta, rel=1e-12)


def test_a_signal_below_the_threshold_stays_at_the_edge_and_says_nothing_of_its_direction() -> None:
    weak = 0.99 * bbp_threshold(0.25)
    assert sample_spike(weak, 0.25) == pytest.approx(2.25)
    assert spike_overlap(weak, 0.25) == 0.0


def test_an_eigenvalue_inside_the_bulk_has_no_population_spike() -> None:
    with pytest.raises(InputError, match="inside the bulk"):
        population_spike(2.0, 0.25)


def test_a_planted_spike_shows_where_bbp_says_and_points_where_it_says() -> None:
    rng, p, n, theta = np.random.default_rng(1), 400, 1600, 2.0
    noise = rng.standard_normal((p, n))
    noise[0] *= math.sqrt(1.0 + theta)
    values, vectors = np.linalg.eigh(noise @ noise.T / n)
    assert values[-1] == pytest.approx(sample_spike(theta, p / n), rel=0.05)
    assert vectors[0, -1] ** 2 == pytest.approx(spike_overlap(theta, p / n), abs=0.05)


@pytest.mark.parametrize("n", [2, 10, 300])
def test_haar_entropy_is_the_mean_entropy_of_random_unit_vectors(n: int) -> None:
    vectors = np.random.default_rng(2).standard_normal((n, 20_000 // n * 10))
    entropies = eigenvector_entropy(vectors / np.linalg.norm(vectors, axis=0))
    assert entropies.mean() == pytest.approx(haar_entropy(n), abs=6 * entropies.std() / math.sqrt(entropies.size))


def test_entropy_of_a_coordinate_vector_is_zero_and_of_the_uniform_one_log_n() -> None:
    vectors = np.stack([np.eye(16)[0], np.full(16, 0.25)], axis=1)
    assert eigenvector_entropy(vectors) == pytest.approx([0.0, math.log(16)], abs=1e-12)


@pytest.mark.parametrize("length", [0.0, 0.9, 5.0])
def test_a_vector_of_another_length_has_no_entropy(length: float) -> None:
    with pytest.raises(InputError, match="divide each column by its norm"):
        eigenvector_entropy(np.eye(3) * [1.0, length, 1.0])


def test_an_estimated_exponent_is_that_of_the_mid_point_quantiles() -> None:
    """(i - 1/2)/n, i = 1..n: each quantile in the middle of its n-th of the mass, none at 0 or 1."""
    seen: list[np.ndarray] = []

    class Recording:
        def ppf(self, q: np.ndarray) -> np.ndarray:
            seen.append(q)
            return (1 - q) ** -0.5  # alpha = 3

    alpha = estimated_exponent(Recording(), 200)  # type: ignore[arg-type]
    np.testing.assert_allclose(seen[0], (np.arange(1, 201) - 0.5) / 200, rtol=1e-15)
    assert alpha == pytest.approx(3.0, abs=0.1)


def test_a_vector_of_one_entry_has_no_entropy_and_no_spread() -> None:
    assert haar_entropy(1) == pytest.approx(0.0, abs=1e-12)
    assert haar_entropy_stddev(1) == pytest.approx(0.0, abs=1e-6)


def test_a_spike_of_no_strength_is_no_mistake_and_a_negative_one_is() -> None:
    assert sample_spike(0.0, 0.25) == pytest.approx((1 + 0.5) ** 2)
    with pytest.raises(InputError):
        sample_spike(-0.5, 0.25)
