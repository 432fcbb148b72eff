"""Newton's maxima of many samples at once: the gradient vanishes there, and no other search finds a higher one."""

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import gammaln

from htmu_diag.fits import gamma_maxima
from htmu_diag.fits.gamma_maxima import law_at, maxima

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
    found = law_at(np.array([shape]), np.array([b]), True)[1:, 0]
    assert found[0] == pytest.approx(first, rel=1e-8)
    assert found[1] == pytest.approx(second, rel=1e-8)
    assert found[4] == pytest.approx(of(lambda y: (y - second) ** 2) / mass, rel=1e-7)
    third = [of(lambda y, k=k: (np.log(y) - first) ** (3 - k) * (y - second) ** k) / mass for k in range(4)]  # type: ignore[misc]
    assert found[5:] == pytest.approx(third, rel=1e-5)


@pytest.mark.parametrize("cut", [True, False])
def test_third_cumulants_are_the_slopes_of_covariances(cut: bool) -> None:
    shape, b, h = np.array([3.0, 40.0, 0.3]), np.array([2.0, 60.0, 0.5]), 1e-5
    along_shape = (law_at(shape * (1 + h), b, cut) - law_at(shape * (1 - h), b, cut)) / (2 * h * shape)
    along_b = (law_at(shape, b * (1 + h), cut) - law_at(shape, b * (1 - h), cut)) / (2 * h * b)
    found = law_at(shape, b, cut)[6:]
    np.testing.assert_allclose(found, [along_shape[3], *along_shape[4:6], -along_b[5]], rtol=1e-6, atol=1e-9)


def test_few_steps_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newton's alone take seven or eight."""
    monkeypatch.setattr(gamma_maxima, "_STEPS", 5)
    drawn = samples(20.0, 200, True)
    logs, means = np.array([np.log(y).mean() for y in drawn]), np.array([y.mean() for y in drawn])
    assert maxima(logs, means, True, LEAST)[2].all()


@pytest.mark.parametrize("shape", [LEAST, 1.0, 1129.0, 8100.0])
@pytest.mark.parametrize("b", [LEAST, 1.0, 2755.0, 8100.0])
def test_the_whole_box_has_the_moments_of_y_in_closed_form(shape: float, b: float) -> None:
    """By parts: of a Gamma law cut at 1 E[y] = (s + h)/b, E[y y] = ((s + 1) E[y] + h)/b, h = e**-b/its mass."""
    with mpmath.workdps(60):  # type: ignore[no-untyped-call]
        s, rate = mpmath.mpf(shape), mpmath.mpf(b)
        mass = mpmath.gammainc(s, rate) * rate**-s
        edge = mpmath.exp(-rate) / mass
        first = (s + edge) / rate
        expected = [float(mpmath.log(mass)), float(first), float(((s + 1) * first + edge) / rate - first**2)]
    found = law_at(np.array([shape]), np.array([b]), True)[:, 0]
    assert found[0] == pytest.approx(expected[0], rel=1e-12, abs=1e-12)
    assert [found[2], found[5]] == pytest.approx(expected[1:], rel=1e-11)


@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("shape", [3.0, 20.0, 200.0])
def test_the_law_at_the_maximum_has_the_means_of_the_sample(shape: float, cut: bool) -> None:
    drawn = samples(shape, 200, cut)
    logs, means = np.array([np.log(y).mean() for y in drawn]), np.array([y.mean() for y in drawn])
    shapes, bs, found = maxima(logs, means, cut, LEAST)
    _, first, second, *_ = law_at(shapes, bs, cut)
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
    _, _, second, *_ = law_at(np.array([shape]), np.array([b]), True)
    assert second[0] == pytest.approx(y.mean(), rel=1e-9)


@pytest.mark.parametrize("cut", [True, False])
def test_samples_do_not_see_each_other(cut: bool) -> None:
    drawn = [y for shape in (0.3, 3.0, 200.0) for y in samples(shape, 50, cut)]
    logs, means = np.array([np.log(y).mean() for y in drawn]), np.array([y.mean() for y in drawn])
    together = maxima(logs, means, cut, LEAST)
    alone = [maxima(logs[i : i + 1], means[i : i + 1], cut, LEAST) for i in range(len(drawn))]
    for all_of_them, one_by_one in zip(together, zip(*alone, strict=True), strict=True):
        assert (all_of_them == np.concatenate(one_by_one)).all()


@pytest.mark.parametrize("n", [200, 1000])
def test_a_maximum_is_found_from_the_edge_and_from_far_away(n: int) -> None:
    """Of a law whose shape is close to the least one, samples end on either side, wherever the search begins."""
    drawn = samples(0.05, n, True, count=8)
    logs, means = np.array([np.log(y).mean() for y in drawn]), np.array([y.mean() for y in drawn])
    first = maxima(logs, means, True, LEAST)
    for start in ((LEAST, 5.0), (40.0, 0.1), (2.0, 300.0)):
        again = maxima(logs, means, True, LEAST, start)
        assert again[2].all()
        assert first[2].all()
        np.testing.assert_allclose(again[:2], first[:2], rtol=1e-7)
    assert (first[0] > LEAST).any()
    assert (first[0] == LEAST).any()


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
    _, first, *_ = law_at(shapes, bs, True)
    on_edge = found & (shapes == LEAST)
    assert (first[on_edge] >= logs[on_edge]).all()
