"""Newton's maxima of many samples at once: the gradient vanishes there, and no other search finds a higher one."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import gammaln

from htmu_diag.fits.gamma_maxima import _moments, maxima

LEAST = float(np.exp(-6.0))


def samples(shape: float, n: int, cut: bool, count: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(int(10 * shape) + n)
    drawn = [rng.gamma(shape, size=40 * n) / shape * 1.2 for _ in range(count)]
    return [(y[y >= 1] if cut else y)[:n] for y in drawn]


@pytest.mark.parametrize(("shape", "b"), [(0.3, 0.5), (3.0, 2.0), (40.0, 60.0), (900.0, 800.0), (0.01, 0.02)])
def test_moments_of_the_cut_law_are_those_of_independent_quadrature(shape: float, b: float) -> None:
    peak = max(shape / b, 1.0)

    def of(weight: object) -> float:
        density = lambda y: weight(y) * np.exp((shape - 1) * np.log(y / peak) - b * (y - peak))  # type: ignore[operator] # noqa: E731
        width = 60 * (1 + np.sqrt(shape)) / b
        points = [p for p in (peak, peak + width / 50) if p > 1]
        return float(quad(density, 1, peak + width, points=points, epsabs=0, epsrel=1e-11, limit=500)[0])

    mass = of(lambda y: 1.0)
    first, second = of(np.log) / mass, of(lambda y: y) / mass
    found = [float(m[0]) for m in _moments(np.array([shape]), np.array([b]), True)]
    assert found[0] == pytest.approx(first, rel=1e-8)
    assert found[1] == pytest.approx(second, rel=1e-8)
    assert found[4] == pytest.approx(of(lambda y: (y - second) ** 2) / mass, rel=1e-7)


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("shape", [3.0, 20.0, 200.0])
def test_the_law_at_the_maximum_has_the_means_of_the_sample(shape: float, cut: bool) -> None:
    drawn = samples(shape, 200, cut)
    logs, means = np.array([np.log(y).mean() for y in drawn]), np.array([y.mean() for y in drawn])
    shapes, bs, found = maxima(logs, means, cut, LEAST)
    first, second, *_ = _moments(shapes, bs, cut)
    inside = found & (shapes > LEAST)
    assert inside.sum() >= 4
    assert np.allclose(first[inside], logs[inside], atol=1e-9)
    assert np.allclose(second[inside], means[inside], rtol=1e-9)


def test_a_sample_without_a_maximum_inside_is_maximised_along_the_edge() -> None:
    """A Pareto tail: the likelihood rises as the shape falls to zero and below."""
    y = np.random.default_rng(0).pareto(0.8, 300) + 1
    (shape,), (b,), (found,) = maxima(np.array([np.log(y).mean()]), np.array([y.mean()]), True, LEAST)
    assert found
    assert shape == LEAST
    _, second, *_ = _moments(np.array([shape]), np.array([b]), True)
    assert second[0] == pytest.approx(y.mean(), rel=1e-9)


def test_samples_do_not_see_each_other() -> None:
    drawn = samples(3.0, 50, True)
    logs, means = np.array([np.log(y).mean() for y in drawn]), np.array([y.mean() for y in drawn])
    together = maxima(logs, means, True, LEAST)
    alone = [maxima(logs[i : i + 1], means[i : i + 1], True, LEAST) for i in range(len(drawn))]
    assert np.allclose(together[0], [one[0][0] for one in alone], rtol=1e-12)


def test_a_general_search_finds_nothing_higher() -> None:
    (y,) = samples(5.0, 100, False, count=1)
    (shape,), (b,), _ = maxima(np.array([np.log(y).mean()]), np.array([y.mean()]), False, LEAST)
    cost = lambda p: gammaln(p[0]) - p[0] * np.log(p[1]) - (p[0] - 1) * np.log(y).mean() + p[1] * y.mean()  # noqa: E731
    found = minimize(cost, [1.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000})
    assert cost((shape, b)) <= found.fun + 1e-12


def test_a_maximum_inside_is_not_taken_for_one_on_the_edge() -> None:
    """Where a step went below the least shape and the likelihood rises above it, the sample is left to a search."""
    drawn = samples(0.3, 400, True, count=6)
    logs, means = np.array([np.log(y).mean() for y in drawn]), np.array([y.mean() for y in drawn])
    shapes, bs, found = maxima(logs, means, True, LEAST)
    first, *_ = _moments(shapes, bs, True)
    on_edge = found & (shapes == LEAST)
    assert (first[on_edge] >= logs[on_edge]).all()
