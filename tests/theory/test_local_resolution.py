"""Regression from a part of given points: exact cases, and the regression itself."""

import numpy as np
import pytest

from htmu_diag.theory.kernel_regression import kernel_regression_curve
from htmu_diag.theory.learning_curve import expected_errors, learning_curve, resolution
from htmu_diag.theory.local_resolution import local_resolutions, sampled_errors


def _unlike_points() -> tuple[np.ndarray, np.ndarray]:
    """Points that share some features, each with a part of its own: (kernel, targets)."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((80, 40)) * np.arange(1, 41) ** -0.7
    kernel = shared @ shared.T + np.diag(rng.uniform(0.01, 1, 80))
    return kernel, np.sin(3 * shared[:, :1])


def test_points_of_a_diagonal_kernel_are_learned_only_when_they_are_drawn() -> None:
    rng = np.random.default_rng(1)
    own, targets = 10 ** rng.uniform(-3, 3, 60), rng.standard_normal((60, 2))
    for n in (5, 30, 55):
        start = 60 * resolution(own / 60, n)
        test, train = sampled_errors(np.diag(own), targets, n, 0.0, start)
        assert test == pytest.approx((targets**2).sum(axis=1).mean(), rel=1e-6)
        assert train == 0.0
        m, _ = local_resolutions(np.diag(own), n, 0.0, start)
        assert m == pytest.approx(own * (1 - n / 60) / (n / 60))


def test_all_but_one_point_give_the_leave_one_out_error() -> None:
    kernel, targets = _unlike_points()
    inverse = np.linalg.inv(kernel)
    left_out = ((inverse @ targets) / np.diag(inverse)[:, None]) ** 2
    found = learning_curve(kernel, targets, [79], blocks=0).test_error[0]
    assert found == pytest.approx(left_out.sum(axis=1).mean(), rel=5e-3)


def test_points_that_are_alike_have_one_resolution() -> None:
    """A circulant kernel: every point is as every other, and one resolution is the exact mean field."""
    steps = np.minimum(np.arange(64), 64 - np.arange(64))
    kernel = np.array([np.roll(np.exp(-steps / 5), shift) for shift in range(64)])
    values = np.linalg.eigvalsh(kernel)
    root = 64 * resolution(values / 64, 20)
    m, inverse = local_resolutions(kernel, 20, 0.0, 2 * root)
    assert m == pytest.approx(np.full(64, root), rel=1e-6)
    assert np.trace(kernel @ inverse) == pytest.approx(20)


@pytest.mark.parametrize("ridge", [0.0, 0.1, 1.0])
def test_regression_that_is_really_done_is_predicted_within_two_percent(ridge: float) -> None:
    kernel, targets = _unlike_points()
    sizes = (10, 20, 40, 60, 75)
    measured = kernel_regression_curve(kernel, targets, sizes, ridge, draws=600, rng=np.random.default_rng(1))
    found = learning_curve(kernel, targets, sizes, ridge, blocks=0)
    assert found.test_error == pytest.approx(measured.test_error, rel=0.02)
    if ridge:
        assert found.train_error == pytest.approx(measured.train_error, rel=0.03)
    values, vectors = np.linalg.eigh(kernel)  # a wrong answer: one resolution for all points
    alike = expected_errors(values / 80, ((vectors.T @ targets) ** 2).sum(axis=1) / 80, 75, ridge=ridge)
    wrong = (80 * alike.test - 75 * alike.train) / 5
    assert abs(wrong / measured.test_error[-1] - 1) > 0.07


def test_newton_ends_from_a_poor_start_and_for_kernels_of_low_rank() -> None:
    rng = np.random.default_rng(2)
    features = rng.standard_normal((50, 30)) * np.arange(1, 31) ** -2.0
    kernel = features @ features.T
    for n in (3, 20, 29):
        for start in (1e-6, 1e3):
            m, inverse = local_resolutions(kernel, n, 0.0, start)
            assert (m * np.diag(inverse)).sum() == pytest.approx(50 - n, rel=1e-6)
