"""Marchenko-Pastur bulks of many spectra: their unit, their parts, spikes that are known."""

import numpy as np
import pytest
from scipy.stats import kstest

from htmu_diag.fits.marchenko_pastur import fit_marchenko_pasturs
from htmu_diag.fits.results import BulkFit
from htmu_diag.laws import MarchenkoPastur, TracyWidom
from htmu_diag.laws.ensembles import beta_laguerre, spiked, wishart
from htmu_diag.theory.spikes import population_spike, sample_spike

Sample = tuple[np.ndarray, float]


def samples() -> list[Sample]:
    """Noise, spikes, weak repulsion, values of no matrix."""
    rng = np.random.default_rng(3)
    found = [(wishart(p, n, rng=rng), p / n) for p, n in ((30, 30), (64, 256), (50, 4000))]
    found += [(spiked(60, 120, np.geomspace(3, 40, k), rng=rng), 0.5) for k in (1, 4, 15)]
    found += [(beta_laguerre(80, 0.3, kappa, rng=rng), 0.3) for kappa in (3.0, 30.0)]
    return [*found, (np.sort(rng.gamma(0.5, size=70)), 0.8)]


def made_of(p: int, n: int, strengths: list[float]) -> Sample:
    """Without noise: the quantiles of what spikes leave of the bulk, and the spikes where they show."""
    k = len(strengths)
    bulk = MarchenkoPastur((p - k) / (n - k), (n - k) / n).ppf((np.arange(p - k) + 0.5) / (p - k))
    return np.append(bulk, [sample_spike(theta, p / n) for theta in strengths]), p / n


def test_the_unit_of_a_spectrum_is_that_of_its_fit_alone() -> None:
    """Each in another unit."""
    units = 10.0 ** np.linspace(-200, 200, len(samples()))
    plain = fit_marchenko_pasturs(samples())
    scaled = fit_marchenko_pasturs([(values * unit, g) for (values, g), unit in zip(samples(), units, strict=True)])
    for one, other, unit in zip(plain, scaled, units, strict=True):
        assert other.n_spikes == one.n_spikes
        for name in ("scale", "lower_edge", "upper_edge", "threshold"):
            assert getattr(other, name) / unit == pytest.approx(getattr(one, name), rel=1e-12)
        for name in ("ks_distance", "p_value", "edge_p_value"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-9)


def test_the_parts_of_a_fit_are_those_of_its_law() -> None:
    for (values, gamma), fit in zip(samples(), fit_marchenko_pasturs(samples()), strict=True):
        k, p, n = fit.n_spikes, values.size, values.size / gamma
        assert fit.bulk_gamma == pytest.approx((p - k) / (n - k))
        assert isinstance(fit.law, MarchenkoPastur)
        assert fit.law.gamma == pytest.approx(fit.bulk_gamma)
        assert fit.law.mean() == pytest.approx(fit.scale * (n - k) / n)
        ends = fit.law.mean() * (1 + np.array([-1, 1]) * np.sqrt(fit.bulk_gamma)) ** 2
        assert (fit.lower_edge, fit.upper_edge) == pytest.approx(tuple(ends))
        assert fit.threshold > fit.upper_edge
        assert fit.spikes.tolist() == values[values > fit.threshold].tolist()
        assert 1e-4 <= min(fit.p_value, fit.edge_p_value) <= max(fit.p_value, fit.edge_p_value) <= 1


def test_without_spikes_the_distance_is_that_of_all_values_to_the_law() -> None:
    pairs = [pair for pair in zip(samples(), fit_marchenko_pasturs(samples()), strict=True) if not pair[1].n_spikes]
    assert len(pairs) > 2
    for (values, _), fit in pairs:
        assert fit.ks_distance == pytest.approx(kstest(values, fit.law.cdf).statistic, abs=1e-12)


@pytest.mark.parametrize("gamma", [1.0, 0.5, 0.01])
def test_quantiles_of_the_law_have_its_scale_and_the_least_distance(gamma: float) -> None:
    """Half of 1/n; no spectrum of n values is nearer."""
    sizes, scales = [40, 100, 250], [0.3, 1.0, 7.0]
    made = [
        (MarchenkoPastur(gamma, s).ppf((np.arange(n) + 0.5) / n), gamma) for n, s in zip(sizes, scales, strict=True)
    ]
    for fit, n, scale in zip(fit_marchenko_pasturs(made), sizes, scales, strict=True):
        assert fit.n_spikes == 0
        assert fit.scale == pytest.approx(scale, rel=0.5 / n)
        assert fit.ks_distance == pytest.approx(0.5 / n, rel=0.3)
        assert fit.p_value == pytest.approx(0.999)  # where the table ends


def test_known_spikes_are_told_from_the_bulk_and_have_their_strengths() -> None:
    given = [[20.0], [6.0, 9.0, 12.0], [5.0] * 8, list(np.geomspace(4, 4000, 20)), []]
    fits: list[BulkFit] = fit_marchenko_pasturs([made_of(120, 240, strengths) for strengths in given])
    for strengths, fit in zip(given, fits, strict=True):
        assert fit.n_spikes == len(strengths)
        assert fit.scale == pytest.approx(1, rel=0.01)
        told = [population_spike(float(value), 0.5, fit.scale) for value in fit.spikes]
        assert told == pytest.approx(sorted(strengths), rel=0.02)


def beside_weak_spikes(p: int, n: int, times: np.ndarray) -> Sample:
    """Spikes so many times the strength that shows, and where the bulk's values lie beside them, by the first variation
    of its companion transform m: x m**2 + (x + 1 - gamma) m + 1 = 0."""
    k = times.size
    gamma = (p - k) / (n - k)
    theta = times * np.sqrt(gamma)
    x = np.linspace(*MarchenkoPastur(gamma).edges, 20001)
    slope = x + 1 - gamma
    m = (-slope + 1j * np.sqrt(np.maximum(4 * x - slope**2, 1e-12))) / (2 * x)
    more = (np.angle(m) - np.angle(m + 1 / (1 + theta[:, None]))).sum(axis=0) / np.pi
    below = (p - k) * MarchenkoPastur(gamma).cdf(x) + more
    bulk = np.interp(np.arange(p - k) + 0.5, below, x)
    return np.append(bulk, (1 + theta) * (1 + gamma / theta)) * (n - k) / n, p / n


def test_the_bulk_beside_weak_spikes_lies_where_the_first_variation_has_it() -> None:
    many = [np.linspace(3, 5, 12), np.array([3.0]), np.geomspace(2.5, 20, 9)]
    for times, fit in zip(
        many, fit_marchenko_pasturs([beside_weak_spikes(150, 300, each) for each in many]), strict=True
    ):
        assert fit.n_spikes == times.size
        assert fit.scale == pytest.approx(1, rel=1e-3)
        assert fit.ks_distance == pytest.approx(0.5 / (150 - times.size), rel=0.3)


@pytest.mark.parametrize("gamma", [1.0, 0.3])
def test_a_largest_value_at_the_edge_has_the_p_value_of_tracy_and_widom(gamma: float) -> None:
    """0.17 of large noise matrices reach the law's edge."""
    values, _ = made_of(1000, round(1000 / gamma), [])
    (fit,) = fit_marchenko_pasturs([(np.append(values[:-1], (1 + np.sqrt(gamma)) ** 2), gamma)])
    assert fit.edge_p_value == pytest.approx(float(TracyWidom(1).sf(0.0)), abs=0.02)


def test_the_further_the_largest_value_the_less_it_is_that_of_noise() -> None:
    values, gamma = made_of(100, 200, [])
    edge = (1 + np.sqrt(gamma)) ** 2
    moved = [np.append(values[:-1], edge * (1 + shift)) for shift in np.linspace(-0.06, 0.12, 10)]
    p = [fit.edge_p_value for fit in fit_marchenko_pasturs([(each, gamma) for each in moved])]
    assert (np.diff(p) < 0).sum() >= 6
    assert (np.diff(p) <= 0).all()
    assert p[0] > 0.8 > 0.01 > p[-1]
