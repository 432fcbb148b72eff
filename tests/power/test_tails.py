"""Tails that hold a small part of the values are kept, edges are not taken for tails, and the words say which."""

import math

import numpy as np
import pytest

from htmu_diag.fits import compare, fit_power_law
from htmu_diag.fits.tail_rival import exponential_rival
from htmu_diag.laws.ensembles import wishart

SEEDS = range(20)


def student(degrees: int, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.abs(rng.standard_t(degrees, n))


def beside(body: np.ndarray, n: int, start: float, rng: np.random.Generator) -> np.ndarray:
    """A body, and n values of a power law of exponent 2.5 from ``start`` on."""
    return np.concatenate((body, start * rng.random(n) ** (-1 / 1.5)))


def refused(draw) -> float:
    fits = [fit_power_law(draw(np.random.default_rng(seed))) for seed in SEEDS]
    return float(np.mean([fit.status.code == "not_a_power_law" for fit in fits]))


@pytest.mark.parametrize(("degrees", "n"), [(2, 10_000), (3, 2_500), (3, 10_000), (3, 50_000), (4, 10_000)])
def test_a_student_law_has_no_end(degrees: int, n: int) -> None:
    assert refused(lambda rng: student(degrees, n, rng)) <= 0.1


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.15, 0.25])
def test_a_power_law_behind_a_lognormal_body_is_kept(share: float) -> None:
    n = round(share * 10_000)

    def draw(rng: np.random.Generator) -> np.ndarray:
        body = rng.lognormal(size=10_000 - n)
        return beside(body, n, float(np.quantile(body, 1 - share)), rng)

    assert refused(draw) <= 0.1


@pytest.mark.parametrize("n", [500, 2_000])
def test_a_power_law_behind_a_noise_bulk_is_kept(n: int) -> None:
    bulk = round(0.85 * n)
    assert refused(lambda rng: beside(wishart(bulk, 4 * bulk, rng=rng), n - bulk, 2.25, rng)) <= 0.1


@pytest.mark.parametrize("shape", [(64, 64), (64, 256), (128, 512), (200, 400), (300, 500), (384, 384), (300, 6_000)])
def test_the_edge_of_noise_is_an_end(shape: tuple[int, int]) -> None:
    fits = [fit_power_law(wishart(*shape, rng=np.random.default_rng(seed))) for seed in range(60)]
    assert np.mean([fit.verdict.word != "fits" for fit in fits]) >= 0.95
    assert np.mean([fit.status.code == "not_a_power_law" for fit in fits]) >= 0.9


def test_the_verdict_names_what_decided() -> None:
    noise = fit_power_law(wishart(300, 500, rng=np.random.default_rng(0))).verdict
    assert (noise.word, noise.cause, noise.label) == ("ruled out", "finite end", "ruled out (finite end)")
    curved = fit_power_law(1 + np.random.default_rng(0).lognormal(0, 1.5, size=800), xmin=1.0, bootstrap=50)
    assert curved.verdict.cause == f"p {curved.p_value:.2g}"
    assert fit_power_law(np.random.default_rng(0).random(400) ** -0.5).verdict.label == "fits"


def test_the_rival_is_vuongs_comparison_with_an_exponential() -> None:
    values = np.random.default_rng(0).random(200) ** (-1 / 2)
    found = exponential_rival(values, 1.0)
    other = compare(values, 1.0, ["power_law", "exponential"])[0]
    assert found.log_ratio == pytest.approx(other.log_ratio, abs=1e-4)
    assert found.normalized == pytest.approx(other.normalized_ratio, abs=1e-4)
    assert math.isnan(exponential_rival(np.ones(9), 1.0).log_ratio)


@pytest.mark.parametrize("n", [300, 1_500])
def test_light_tails_say_that_an_exponential_fits_as_well(n: int) -> None:
    """Half normals and Laplace's law, of which a third passes every test of the power law alone."""
    for draw in (lambda r: np.abs(r.standard_normal(n)), lambda r: np.abs(r.laplace(size=n))):
        labels = [fit_power_law(draw(np.random.default_rng(seed))).verdict.label for seed in range(60)]
        assert labels.count("ruled out (exponential)") >= 6
        assert labels.count("fits") + labels.count("fits, then ends") <= 3
    heavy = [fit_power_law(np.random.default_rng(seed).random(n) ** (-1 / 2)).verdict.label for seed in range(60)]
    assert heavy.count("fits") >= 55


def test_a_tail_of_few_values_has_no_verdict() -> None:
    small = fit_power_law(wishart(10, 27, rng=np.random.default_rng(0))).verdict
    assert small.word == "too few"
    assert "10 values" in small.reason
    wide = fit_power_law(np.random.default_rng(3).random(40) ** (-1 / 8), bootstrap=100)
    assert wide.alpha_interval[1] - wide.alpha_interval[0] > 4
    assert wide.verdict.word == "too few"
    assert fit_power_law(np.ones(50)).verdict.word == "no fit"


def test_whole_numbers_from_one_on_are_told() -> None:
    counts = np.random.default_rng(0).zipf(2.5, 5_000).astype(float)
    fit = fit_power_law(counts, xmin=1.0)
    assert fit.status.ok
    assert "whole numbers" in fit.verdict.reason
    assert fit_power_law(counts, xmin=12.0).status.message == ""
    assert fit_power_law(counts + 0.5, xmin=1.5).status.message == ""


@pytest.mark.parametrize("n", [128, 500])
def test_the_estimate_lies_inside_its_interval_and_the_error_is_known_to_a_tenth(n: int) -> None:
    values = np.random.default_rng(1).random(n) ** (-1 / 2)
    fits = [fit_power_law(values, bootstrap=100, rng=np.random.default_rng(seed)) for seed in range(12)]
    assert all(fit.alpha_interval[0] < fit.alpha < fit.alpha_interval[1] for fit in fits)
    errors = np.array([fit.alpha_stderr for fit in fits])
    assert errors.std() < 0.12 * errors.mean()


def test_a_tail_that_is_nearly_exact_is_not_ruled_out_by_its_p_value() -> None:
    nearly = fit_power_law(student(3, 10_000, np.random.default_rng(3)), bootstrap=50)
    assert nearly.p_value < 0.1
    assert nearly.verdict.word == "fits"
    assert "off by less than" in nearly.verdict.reason


def test_p_and_error_move_little_when_the_values_do() -> None:
    rng = np.random.default_rng(2)
    values = rng.random(300) ** (-1 / 2)
    moved = values * np.exp(1e-4 * rng.standard_normal(300))
    before, after = fit_power_law(values, bootstrap=100), fit_power_law(moved, bootstrap=100)
    assert abs(before.p_value - after.p_value) <= 0.05
    assert after.alpha_stderr == pytest.approx(before.alpha_stderr, rel=0.05)


def test_a_long_power_law_that_ends_fits_up_to_its_end() -> None:
    """Values that lie as those that repel each other, alpha 2 over 1.5 decades; log-uniform ones are no such law."""
    cut = 1 / (1 - (np.arange(150) + 0.5) / 150 * (1 - 10**-1.5))
    verdict = fit_power_law(cut, bootstrap=100).verdict
    assert (verdict.word, verdict.label) == ("fits", "fits, then ends")
    assert "decades, then an end" in verdict.reason
    assert fit_power_law(cut).verdict.label == "ruled out (finite end)"  # without a p-value it is not known to fit
    assert fit_power_law(np.exp(np.random.default_rng(0).random(1000) * 7), bootstrap=100).verdict.word == "ruled out"
