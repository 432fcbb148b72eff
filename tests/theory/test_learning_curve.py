"""Predicted learning curves against regression that is really done."""

import numpy as np
import pytest

from htmu_diag.errors import InputError
from htmu_diag.theory.kernel_regression import kernel_regression_curve
from htmu_diag.theory.learning_curve import expected_errors, learning_curve, power_law_slope, resolution
from tests.later import Later

datasets = Later("sklearn.datasets", "sklearn")

MODES, SIZES = 800, (10, 20, 40, 80, 160)
# (a, b, ridge, noise): eigenvalues i^-a, target power i^-b
SETTINGS = [
    (1.2, 1.6, 0.0, 0.0),
    (1.2, 2.0, 0.0, 0.0),
    (1.5, 2.5, 0.0, 0.0),
    (2.0, 3.0, 0.0, 0.0),
    (1.5, 1.6, 0.05, 0.0),
    (1.2, 2.0, 0.2, 0.0),
    (1.5, 2.0, 0.05, 0.1),
    (1.2, 3.0, 0.5, 0.3),
]


def _measured(a: float, b: float, ridge: float, noise: float, draws: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Population errors (draws, sizes) and training errors of ridge regression on Gaussian features."""
    rng = np.random.default_rng(int(1000 * a + 10 * b))
    lam, signs = np.arange(1, MODES + 1) ** -a, rng.choice([-1, 1], MODES)
    truth = signs * np.arange(1, MODES + 1) ** (-b / 2)
    test, train = np.zeros((draws, len(SIZES))), np.zeros((draws, len(SIZES)))
    for draw in range(draws):
        features = rng.standard_normal((max(SIZES), MODES))
        labels = features @ truth + np.sqrt(noise) * rng.standard_normal(max(SIZES))
        for place, n in enumerate(SIZES):
            scaled = features[:n] * lam
            weights = np.linalg.solve(scaled @ features[:n].T + ridge * np.eye(n), labels[:n])
            test[draw, place] = ((truth - scaled.T @ weights) ** 2).sum() + noise
            train[draw, place] = ((labels[:n] - features[:n] @ (scaled.T @ weights)) ** 2).mean()
    return test, train


@pytest.mark.parametrize(("a", "b", "ridge", "noise"), SETTINGS)
def test_errors_on_gaussian_features_are_predicted_within_three_standard_errors(
    a: float, b: float, ridge: float, noise: float
) -> None:
    test, train = _measured(a, b, ridge, noise)
    ranks = np.arange(1, MODES + 1)
    predicted = [expected_errors(ranks**-a, ranks**-b, n, ridge=ridge, noise=noise) for n in SIZES]
    stderr = test.std(0, ddof=1) / np.sqrt(len(test))
    wanted = np.array([one.test for one in predicted])
    order = np.array(SIZES, float) ** -1.0  # of the formula's own error: a few % of test, 20 % of train at n = 10
    assert (np.abs(test.mean(0) - wanted) < 3 * stderr + 0.3 * order * wanted).all()
    fitted, scatter = np.array([one.train for one in predicted]), train.std(0, ddof=1) / np.sqrt(len(train))
    assert (np.abs(train.mean(0) - fitted) <= 3 * scatter + 2 * order * fitted + 1e-12).all()
    measured = power_law_slope(np.array(SIZES, float), test.mean(0))
    noise_of_slope = np.std([power_law_slope(np.array(SIZES, float), one) for one in test], ddof=1) / np.sqrt(len(test))
    allowed = max(0.03, 3 * noise_of_slope)
    assert power_law_slope(np.array(SIZES, float), wanted) == pytest.approx(measured, abs=allowed)
    roots = [resolution(ranks**-a, n, ridge) for n in SIZES]  # a wrong answer: the variance left out
    bias = np.array([((root / (ranks**-a + root)) ** 2) @ ranks**-b + noise for root in roots])
    assert (np.abs(test.mean(0) - bias) > 3 * stderr + 0.3 * order * wanted).all()


def _digits_kernel(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """The NTK of an infinitely wide ReLU network with one hidden layer (Cho & Saul 2009), centred one-hot digits."""
    table = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(table.target))[:samples]
    inputs = table.data[order] / 16 - 0.5
    inner = (inputs @ inputs.T + 1.0) / (inputs.shape[1] + 1)
    norms = np.sqrt(np.diag(inner))
    cosine = np.clip(inner / np.outer(norms, norms), -1, 1)
    angle = np.arccos(cosine)
    first = np.outer(norms, norms) * (np.sin(angle) + (np.pi - angle) * cosine) / np.pi
    return first + inner * (np.pi - angle) / np.pi, np.eye(10)[table.target[order]] - 0.1


def test_regression_on_digits_is_predicted_within_ten_percent_and_its_exponent_within_three_hundredths() -> None:
    kernel, targets = _digits_kernel(900)
    sizes = (20, 40, 80, 160, 450)  # half of the points too
    predicted = learning_curve(kernel, targets, sizes, blocks=0)
    measured = kernel_regression_curve(kernel, targets, sizes, draws=12)
    assert predicted.test_error / measured.test_error == pytest.approx(np.ones(5), abs=0.1)
    assert predicted.exponent == pytest.approx(measured.exponent, abs=0.03)
    assert predicted.test_error[-1] * (1 - 450 / 900) < 0.7 * measured.test_error[-1]  # without the population step


def test_the_standard_errors_cover_what_another_draw_of_samples_gives() -> None:
    """Thirty populations of 200 Gaussian points: scatter of the predictions against the jackknife's own error."""
    rng = np.random.default_rng(3)
    scale = np.arange(1, 301) ** -0.6
    truth = np.arange(1, 301) ** -1.0
    curves = []
    for _ in range(30):
        features = rng.standard_normal((200, 300))
        curves.append(learning_curve((features * scale**2) @ features.T, features @ truth, (25, 50, 100)))
    scatter = np.std([curve.test_error for curve in curves], axis=0, ddof=1)
    stated = np.sqrt(np.mean([curve.test_stderr**2 for curve in curves], axis=0))
    assert ((stated / scatter > 0.5) & (stated / scatter < 2.0)).all()


def test_the_resolution_solves_its_equation() -> None:
    lam = np.arange(1, 300) ** -1.5
    for n, ridge in ((5, 0.0), (50, 0.0), (298, 0.0), (50, 0.3), (1000, 2.0)):
        root = resolution(lam, n, ridge)
        assert (lam / (lam + root)).sum() + ridge / root == pytest.approx(n, rel=1e-9)
    assert resolution(lam, 299) == 0.0  # as many samples as modes: everything is determined


def test_more_samples_than_modes_leave_only_noise() -> None:
    found = expected_errors(np.ones(10), np.ones(10), 40, noise=0.5)
    assert found.test == pytest.approx(0.5 * 40 / 30)  # ordinary least squares: sigma^2 n / (n - p)
    assert found.train == pytest.approx(0.5 * 30 / 40)  # and its residuals: sigma^2 (1 - p / n)
    assert expected_errors(np.ones(10), np.ones(10), 10, noise=0.5).test == np.inf  # the interpolation peak


@pytest.mark.parametrize(
    ("kernel", "targets", "sizes", "word"),
    [
        (np.ones((5, 4)), np.ones(5), None, "shape"),
        (np.eye(6), np.ones(5), None, "targets"),
        (np.eye(6) * np.nan, np.ones(6), None, "NaN"),
        (np.triu(np.ones((6, 6))), np.ones(6), None, "symmetric"),
        (np.diag([1.0, 1, 1, 1, 1, -0.5]), np.ones(6), None, "eigenvalues from -0.5 to 1; pass a positive"),
        (-np.eye(6), np.ones(6), None, "eigenvalues from -1 to -1"),
        (np.eye(6), np.ones(6), (2, 6), "below"),
        (np.eye(6), np.ones(6), (2.5,), "whole"),
    ],
)
def test_bad_input_is_refused_in_words(kernel: np.ndarray, targets: np.ndarray, sizes: object, word: str) -> None:
    with pytest.raises(InputError, match=word):
        learning_curve(kernel, targets, sizes)  # type: ignore[arg-type]
