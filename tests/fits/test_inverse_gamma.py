"""Inverse Gamma fits: many at once are those of one, draws are quantiles, errors are the likelihood's curvature."""

import math

import mpmath
import numpy as np
import pytest
import scipy

from htmu_diag.fits import fit_inverse_gamma, inverse_gamma
from htmu_diag.fits.gamma_cut import draws, survival
from htmu_diag.fits.inverse_gamma import fit_inverse_gammas
from htmu_diag.fits.maximum import maximise


def sample(place: int) -> np.ndarray:
    """Inverse Gamma, noise, a narrow band, a law that ends below (its shape falls to the edge), hopeless ones."""
    rng = np.random.default_rng(place)
    n = (50, 60, 90, 300)[place % 4]
    made = {
        0: 1 / rng.gamma(3.0, size=n),
        1: np.linalg.eigvalsh(np.cov(rng.standard_normal((n, 2 * n)))),
        2: 1 + 1e-3 * rng.random(n),
        3: rng.pareto(1.0, n) + 1e-3,
        4: np.where(np.arange(n) == 3, np.nan, 1.0 + np.arange(n)),
        5: rng.random(7),
        6: np.repeat([1.0, 2.0, 3.0], n),
    }
    return made[place % 7]


@pytest.mark.parametrize("seed", [0, 1])
def test_each_is_what_it_is_alone_in_any_company(seed: int) -> None:
    chosen = [sample(place) for place in np.random.default_rng(seed).permutation(28)[: 28 - 17 * seed]]
    together = [repr(fit) for fit in fit_inverse_gammas(chosen)]
    assert together == [repr(fit_inverse_gamma(values)) for values in chosen]
    assert len({fit.status.code for fit in fit_inverse_gammas(chosen)}) >= 4
    assert fit_inverse_gammas([]) == []


@pytest.mark.parametrize(
    ("shape", "b", "cut"), [(3.0, 2.0, True), (0.01, 0.02, True), (40.0, 3.0, False), (0.2, 1.0, False)]
)
@pytest.mark.parametrize("size", [(3, 10), (20, 200)])
def test_draws_are_the_quantiles_at_random_levels(shape: float, b: float, cut: bool, size: tuple[int, int]) -> None:
    found = draws(shape, b, cut, np.random.default_rng(1), size)
    levels = np.sort(1 - np.random.default_rng(1).random(size), axis=1)[:, ::-1]
    top = scipy.special.gammaincc(shape, b) if cut else 1.0
    np.testing.assert_allclose(found, scipy.special.gammainccinv(shape, top * levels) / b, rtol=1e-11)


@pytest.mark.parametrize("b", [900.0, 8000.0])
def test_draws_so_far_out_that_no_float_holds_their_mass_have_the_levels_of_mpmath(b: float) -> None:
    found = draws(3.0, b, True, np.random.default_rng(1), (1, 20))[0]
    levels = np.sort(1 - np.random.default_rng(1).random(20))[::-1]
    exact = [float(mpmath.gammainc(3, b * y) / mpmath.gammainc(3, b)) for y in map(mpmath.mpf, found)]
    np.testing.assert_allclose(exact, levels, rtol=1e-9)
    np.testing.assert_allclose(survival(3.0, b, found, True), levels, rtol=1e-9)


def test_survival_of_far_and_of_near_laws_side_by_side() -> None:
    y = np.array([1.0, 1.001, 1.01])
    together = survival(np.array([[3.0], [2.0]]), np.array([[8000.0], [0.5]]), y, True)
    assert (together == np.stack([survival(3.0, 8000.0, y, True), survival(2.0, 0.5, y, True)])).all()


@pytest.mark.parametrize("fraction", [0.2, 1.0])
@pytest.mark.parametrize("place", [0, 3, 7, 14])
def test_errors_are_those_of_the_curvature_of_an_independent_likelihood(place: int, fraction: float) -> None:
    values = np.sort(sample(place))
    fit = fit_inverse_gamma(values, fraction)
    count = math.ceil(fraction * values.size)
    low, end = values[:count], fit.until

    def log_likelihood(p: np.ndarray) -> float:
        shape, scale = np.exp(p)
        mass = mpmath.gammainc(shape, scale / end if math.isfinite(end) else 0)
        return float(
            count * (shape * p[1] - mpmath.log(mass)) - (shape + 1) * np.log(low).sum() - scale * (1 / low).sum()
        )

    point = np.log(list(fit.parameters.values()))
    found = maximise(log_likelihood, count, list(point), [(p - 1e-9, p + 1e-9) for p in point])
    np.testing.assert_allclose([fit.stderr[k] / v for k, v in fit.parameters.items()], found.stderr, rtol=2e-3)
    assert fit.log_likelihood == pytest.approx(log_likelihood(point), rel=1e-9)


def test_a_fit_in_the_corner_of_its_box_is_that_of_another_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a law that ends at its least values nothing in the box is likelier than least shape and least scale."""
    values = [np.random.default_rng(seed).pareto(0.1, 130) + 1e-3 for seed in range(3)]
    monkeypatch.setattr(inverse_gamma, "maximise", None)  # nothing is searched
    found = fit_inverse_gammas(values)
    monkeypatch.undo()
    monkeypatch.setattr(inverse_gamma, "_falling_from_corner", lambda logs, means, cut: np.zeros(logs.size, bool))
    for one, searched in zip(found, fit_inverse_gammas(values), strict=True):
        assert one.status.code == searched.status.code == "at_boundary"
        assert list(one.parameters.values()) == pytest.approx(list(searched.parameters.values()), rel=1e-6)
        assert list(one.stderr.values()) == pytest.approx(list(searched.stderr.values()), rel=1e-4)
        assert one.log_likelihood == pytest.approx(searched.log_likelihood, rel=1e-12)
