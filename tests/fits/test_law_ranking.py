"""Each law is found likeliest on its own matrices, beside spikes too, and rows are laws."""

import math

import numpy as np
import pytest
from scipy.integrate import trapezoid

from htmu_diag.fits import fit_htmp, rank_laws
from htmu_diag.fits.law_heights import CONTAMINATION
from htmu_diag.fits.law_rows import FAMILIES
from htmu_diag.laws import MarchenkoPastur
from htmu_diag.laws.ensembles import beta_laguerre, wishart
from htmu_diag.laws.free import log_density_at

P, N = 300, 900
GAMMA = P / N


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(variances: np.ndarray) -> np.ndarray:
    matrix = np.sqrt(variances)[:, None] * rng(1).standard_normal((P, N))
    return np.linalg.svd(matrix, compute_uv=False)[::-1] ** 2 / N


def two_noises() -> np.ndarray:
    """S_1 S_2**-1 of noise covariances of ratios 1/3 and 1/4."""
    second = wishart_matrix(4 * P)
    return np.sort(np.linalg.eigvals(np.linalg.solve(second, wishart_matrix(N))).real)


def wishart_matrix(columns: int) -> np.ndarray:
    matrix = rng(columns).standard_normal((P, columns))
    return matrix @ matrix.T / columns


TRUTH = [
    ("MarchenkoPastur", lambda: wishart(P, N, rng=rng())),
    ("HTMP", lambda: beta_laguerre(P, GAMMA, 5.0, rng=rng())),
    ("InverseHTMP", lambda: np.sort(1 / beta_laguerre(P, GAMMA, 2.0, rng=rng()))),
    ("FreeLognormal", lambda: noise(rng().lognormal(0, 0.7, P))),
    ("Wachter", two_noises),
    ("Gamma", lambda: np.sort(rng().gamma(3.0, size=P))),
]


@pytest.mark.parametrize(("name", "draw"), TRUTH, ids=[name for name, _ in TRUTH])
def test_the_law_of_the_values_is_the_likeliest(name: str, draw) -> None:
    found = rank_laws(draw(), GAMMA)
    assert found.best is not None
    assert found.best.name == name, found.sentence
    assert found.lead(name) == 0
    assert len(found.laws) == len(FAMILIES)
    assert found.best.ks_distance < 0.06
    assert found.lead("MarchenkoPastur") > 10 or name == "MarchenkoPastur"


def test_parameters_are_given_back() -> None:
    spread = rank_laws(noise(rng().lognormal(0, 0.7, P)), GAMMA).of("FreeLognormal")
    assert spread is not None
    assert spread.parameters["sigma"] == pytest.approx(0.7, abs=0.06)
    values = beta_laguerre(P, GAMMA, 5.0, rng=rng())
    ranked, fitted = rank_laws(values, GAMMA).of("HTMP"), fit_htmp(values, GAMMA)
    assert ranked is not None
    assert ranked.parameters["kappa"] == pytest.approx(fitted.kappa, rel=0.3)
    assert ranked.parameters["scale"] == pytest.approx(fitted.scale, rel=0.02)


def test_a_few_spikes_decide_nothing() -> None:
    """Without contamination one value outside the edges excludes Marchenko-Pastur."""
    bulk = wishart(P, N, rng=rng())
    found = rank_laws(np.concatenate([bulk, [5.0, 8.0, 12.0, 20.0, 50.0]]), GAMMA)
    assert found.best is not None
    assert found.best.name == "MarchenkoPastur"
    assert found.best.parameters["scale"] == pytest.approx(1.0, abs=0.03)


def test_scale_and_direction_of_the_values_change_nothing() -> None:
    values = noise(rng().lognormal(0, 0.7, P))
    plain, large = rank_laws(values, GAMMA), rank_laws(values * 1e30, GAMMA)
    assert large.lead("HTMP") == pytest.approx(plain.lead("HTMP"), abs=1e-3)
    inverse = np.sort(1 / values)
    mirrored = {"HTMP": "InverseHTMP", "InverseHTMP": "HTMP"}
    for name, other in mirrored.items():
        one, two = plain.of(name), rank_laws(inverse, GAMMA).of(other)
        assert one is not None
        assert two is not None
        assert one.log_likelihood == pytest.approx(two.log_likelihood, abs=0.1)


@pytest.mark.parametrize(
    ("values", "gamma"),
    [
        (wishart(P, N, rng=rng(2)), GAMMA),
        (beta_laguerre(300, 10 / 13, 0.5, rng=rng()), 10 / 13),
        (np.sort(rng().pareto(1.5, 300) + 1), 0.25),
    ],
    ids=["noise", "weak repulsion", "tail"],
)
def test_no_scale_of_marchenko_pastur_is_likelier(values: np.ndarray, gamma: float) -> None:
    """Its edges pass over values one by one, and the likelihood has many maxima."""
    law, share = MarchenkoPastur(gamma), CONTAMINATION / np.log(values[-1] / values[0])
    found = rank_laws(values, gamma).of("MarchenkoPastur")
    assert found is not None
    scales = found.parameters["scale"] * np.exp(np.append(0.0, np.linspace(-0.9, 0.9, 500)))
    densities = np.array([law.pdf(values / scale) * values / scale for scale in scales])
    heights = np.log((1 - CONTAMINATION) * densities + share).sum(axis=1)
    assert found.log_likelihood == pytest.approx(heights[0], abs=0.05)
    assert heights.max() < found.log_likelihood + 0.05


@pytest.mark.parametrize("name", ["MarchenkoPastur", "Wachter"])
@pytest.mark.parametrize("gamma", [0.1, 1.0])
def test_the_likelihood_of_a_law_with_edges_is_that_of_the_law_itself(name: str, gamma: float) -> None:
    """Between shapes and scales it has kinks, which no interpolation follows."""
    for seed in range(4):
        p, n = 60, round(60 / gamma)
        values = wishart(p, n, rng=rng(seed)) * np.exp(rng(seed).normal(0, 1.2, p))
        found = rank_laws(values, gamma).of(name)
        assert found is not None
        share = CONTAMINATION / np.log(values.max() / values.min())
        exact = np.log((1 - CONTAMINATION) * found.law.pdf(values) * values + share).sum()
        assert found.log_likelihood == pytest.approx(exact, abs=1e-9)


def beside_all_kinks(values: np.ndarray, gamma: float) -> float:
    """Highest log likelihood of Marchenko-Pastur at six scales between each two at which an edge passes a value, and
    at finer ones about the best of these."""
    edges, t = np.log(MarchenkoPastur(gamma).edges), np.log(values)
    kinks = np.unique(t[:, None] - edges)
    scales = (kinks[:-1, None] + np.diff(kinks)[:, None] * np.arange(0.5, 6) / 6).ravel()
    for _ in range(3):
        x = np.exp(t - scales[:, None])
        roots = np.sqrt(np.maximum((math.exp(edges[1]) - x) * (x - math.exp(edges[0])), 0))
        densities = (1 - CONTAMINATION) * roots / (2 * math.pi * gamma) + CONTAMINATION / (t[-1] - t[0])
        heights = np.log(densities).sum(axis=1)
        best = np.clip(heights.argsort()[-20:], 1, scales.size - 2)
        top = heights.max()
        scales = np.sort(np.linspace(scales[best - 1], scales[best + 1], 21).ravel())
    return float(top)


@pytest.mark.parametrize("seed", [28, 95])
def test_no_peak_between_two_kinks_is_passed_over(seed: int) -> None:
    values = beta_laguerre(40, 0.25, 3.0, rng=rng(seed))
    found = rank_laws(values, 0.25).of("MarchenkoPastur")
    assert found is not None
    assert found.log_likelihood > beside_all_kinks(values, 0.25) - 0.01


def test_marchenko_pastur_is_found_where_its_values_lie_far_below_the_others() -> None:
    """By 200 in the logarithm; such values are none of one matrix, and no reason to miss them."""
    noise_below, above = wishart(80, 160, rng=rng()) * math.exp(-200), np.exp(rng(1).uniform(0, 200, 90))
    found = rank_laws(np.concatenate([noise_below, above]), 0.5).of("MarchenkoPastur")
    assert found is not None
    assert math.log(found.parameters["scale"]) == pytest.approx(-200, abs=0.3)


def test_large_spectra_are_grouped_without_a_difference() -> None:
    values = beta_laguerre(3000, 0.5, 4.0, rng=rng())
    found = rank_laws(values, 0.5).of("HTMP")
    assert found is not None
    plain = fit_htmp(values, 0.5)
    assert found.parameters["kappa"] == pytest.approx(plain.kappa, rel=0.15)
    assert rank_laws(values, 0.5).best == found


@pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
@pytest.mark.parametrize("gamma", [0.05, 0.6, 1.0])
def test_rows_are_densities_of_mean_one(family, gamma: float) -> None:
    """Up to a tenth of the grid from its ends; square HTMP has mass 1/log x below every node. The inverse law's
    reciprocals have mean one."""
    sign = -1 if family.name == "InverseHTMP" else 1
    for place in {"": (0,), "kappa": (4, 8), "shape": (2, 6)}.get(family.parameter, (-4, 0)):
        row = family.row(gamma, place)
        density = np.exp(row.log_g)
        assert trapezoid(density, row.nodes) == pytest.approx(1, abs=0.005 if gamma < 1 else 0.05)
        assert trapezoid(density * np.exp(sign * row.nodes), row.nodes) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("sigma_place", [-4, -2, 0])
def test_rows_of_nearly_square_matrices_hold_no_more_than_their_mass(sigma_place: int) -> None:
    """A spline through points beside a steep edge would overshoot by tens in the logarithm."""
    row = next(family for family in FAMILIES if family.name == "FreeLognormal").row(64 / 65, sigma_place)
    assert trapezoid(np.exp(row.log_g), row.nodes) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("gamma", "place"), [(64 / 65, 0), (0.9, -2), (0.75, -4)])
def test_rows_follow_the_cliff_at_the_lower_edge(gamma: float, place: int) -> None:
    """The density falls there by a thousand between two of the points that a cubic went through."""
    family = next(family for family in FAMILIES if family.name == "FreeLognormal")
    row = family.row(gamma, place)
    assert np.abs(np.diff(row.log_g)).max() > 3
    looked_at = np.flatnonzero(row.log_g > -12)[::3]
    exact = log_density_at(row.nodes[looked_at], gamma, family.shape(place))
    assert row.log_g[looked_at] == pytest.approx(exact, abs=0.03)


def test_the_winner_is_a_law_of_its_own() -> None:
    values = noise(rng().lognormal(0, 0.7, P))
    best = rank_laws(values, GAMMA).best
    assert best is not None
    levels = best.law.cdf(values)
    assert np.abs(levels - (np.arange(P) + 0.5) / P).max() == pytest.approx(best.ks_distance, abs=0.01)


@pytest.mark.parametrize(
    ("values", "code"), [(np.arange(1.0, 10.0), "too_few_values"), (np.ones(50), "degenerate"), (np.array([]), None)]
)
def test_no_law_where_nothing_can_be_said(values: np.ndarray, code: str | None) -> None:
    found = rank_laws(values, 0.5)
    assert found.best is None
    assert np.isnan(found.lead("HTMP"))
    assert not found.status.ok
    assert code is None or found.status.code == code
    assert found.sentence == found.status.message
