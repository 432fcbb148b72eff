"""Averaged Gauss rules and imposed moments, on measures whose moments are known."""

import numpy as np
import pytest
import scipy
from scipy.stats import wasserstein_distance

from htmu_diag.solvers.gauss_rules import averaged, gauss_rule, jacobi, with_moments


def legendre(m: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(m)
    return nodes, weights / 2


def test_the_jacobi_matrix_of_gauss_legendre_has_the_closed_form() -> None:
    alphas, betas = jacobi(*legendre(12))
    k = np.arange(1, 12)
    assert np.allclose(alphas, 0, atol=1e-13)
    assert np.allclose(betas, k / np.sqrt(4 * k**2 - 1))


def test_where_one_routine_gives_up_another_gives_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = scipy.linalg.eigh_tridiagonal

    def gives_up(alphas: np.ndarray, betas: np.ndarray, lapack_driver: str = "auto") -> tuple[np.ndarray, np.ndarray]:
        if lapack_driver == "auto":
            raise np.linalg.LinAlgError("stemr (eigh_tridiagonal) did not converge (LAPACK info=22)")
        return inner(alphas, betas, lapack_driver=lapack_driver)  # type: ignore[no-any-return]

    monkeypatch.setattr(scipy.linalg, "eigh_tridiagonal", gives_up)
    nodes, vectors = gauss_rule(*jacobi(*legendre(12)))
    assert np.allclose([nodes, vectors[0] ** 2], legendre(12), atol=1e-14)


def test_an_averaged_rule_keeps_mass_low_moments_and_the_hull() -> None:
    nodes, weights = averaged(*legendre(12), rules=3)
    assert nodes.size == 12 + 11 + 10
    assert np.abs(nodes).max() == legendre(12)[0].max()
    moments = [weights @ nodes**k for k in range(20)]
    assert np.allclose(moments, [(1 - k % 2) / (k + 1) for k in range(20)])


def test_averaging_brings_a_continuous_measure_nearer() -> None:
    fine = np.linspace(-1, 1, 20001)
    plain, better = (wasserstein_distance(v, fine, w) for v, w in (legendre(16), averaged(*legendre(16))))
    assert better < 0.6 * plain


def test_few_nodes_are_left_as_they_are() -> None:
    nodes, weights = legendre(5)
    assert np.array_equal(averaged(nodes, weights)[0], nodes)


def test_two_moments_are_imposed_with_the_mass_kept() -> None:
    nodes, weights = legendre(10)
    found = with_moments(nodes, 0.7 * weights, 0.05, 0.35)
    assert found.sum() == pytest.approx(0.7)
    assert found @ nodes == pytest.approx(0.7 * 0.05)
    assert found @ nodes**2 == pytest.approx(0.7 * 0.35)


def test_moments_that_are_there_change_nothing() -> None:
    nodes, weights = legendre(10)
    assert np.allclose(with_moments(nodes, weights, 0.0, 1 / 3), weights)


@pytest.mark.parametrize(("first", "second"), [(0.9, 0.4), (0.0, 50.0), (-3.0, 0.0)])
def test_no_moment_makes_a_weight_negative(first: float, second: float) -> None:
    nodes, weights = legendre(10)
    found = with_moments(nodes, weights, first, second)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)


def test_a_single_node_has_no_moments_to_impose() -> None:
    assert with_moments(np.array([2.0]), np.array([1.0]), 3.0, 9.0) == 1.0


def test_nodes_without_a_weight_do_not_hold_the_others_back() -> None:
    nodes, weights = legendre(10)
    found = with_moments(np.append(nodes, 1e4), np.append(weights, 0.0), -0.05, 0.35)
    assert found[-1] == 0
    assert np.allclose(found[:-1], with_moments(nodes, weights, -0.05, 0.35))


@pytest.mark.parametrize("first", [0.9, -0.97])
def test_a_first_moment_between_the_nodes_is_reached_by_emptying_some(first: float) -> None:
    nodes, weights = legendre(10)
    found = with_moments(nodes, weights, first, first**2)
    assert found @ nodes == pytest.approx(first)
    assert (found == 0).any()


@pytest.mark.parametrize("weights", [[0.2, 0.8], [0.8, 0.2], [0.5, 0.5]])
def test_two_nodes_take_a_mean_and_leave_the_second_moment(weights: list[float]) -> None:
    """On two nodes mass and mean are all there is to choose: another second moment must not be divided by nothing."""
    nodes = np.array([0.0, 3.0])
    with np.errstate(all="raise"):
        found = with_moments(nodes, np.array(weights), 1.5, 100.0)
    np.testing.assert_allclose(found, [0.5, 0.5], rtol=1e-9)
