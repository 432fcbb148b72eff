"""What every law promises, tested once for all of them; quadrature is scipy's, never the law's own."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from htmu_diag.laws import ContinuousLaw, Law
from tests.laws.cases import LAWS, SCALED

every_law = pytest.mark.parametrize("law", LAWS, ids=repr)
QUANTILES = np.array([1e-6, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1 - 1e-6])


def integral(law: ContinuousLaw, low: float, high: float, power: int = 0) -> float:
    """Integral of x**power times the density, in log x on the positive half-line."""
    if low < 0.0:
        return float(quad(lambda x: x**power * law.pdf(x), low, high, epsabs=1e-13, epsrel=1e-12, limit=300)[0])
    weighted = lambda t: math.exp((power + 1) * t) * law.pdf(math.exp(t))  # noqa: E731
    return float(quad(weighted, math.log(low), math.log(high), epsabs=1e-13, epsrel=1e-12, limit=300)[0])


def inner_points(law: ContinuousLaw) -> np.ndarray:
    """Quantiles; without those that underflow (HTMP with gamma = 1 has 1e-3 of its mass below 1e-300)."""
    return without_underflow(law.ppf(law.atom + (1.0 - law.atom) * QUANTILES))


def without_underflow(points: np.ndarray) -> np.ndarray:
    return points[points != 0.0]


@every_law
def test_a_law_satisfies_the_protocol(law: ContinuousLaw) -> None:
    assert isinstance(law, Law)


@every_law
def test_density_integrates_to_differences_of_the_distribution_function(law: ContinuousLaw) -> None:
    points = inner_points(law)
    masses = [integral(law, a, b) for a, b in pairwise(points)]
    assert np.allclose(masses, np.diff(law.cdf(points)), atol=1e-9, rtol=1e-8)


@every_law
def test_density_and_tails_add_to_mass_one(law: ContinuousLaw) -> None:
    points = inner_points(law)
    inside = sum(integral(law, a, b) for a, b in pairwise(points))
    assert inside + law.cdf(points[0]) + law.sf(points[-1]) == pytest.approx(1.0, abs=1e-9)


@every_law
def test_distribution_and_survival_functions_are_complementary_and_monotone(law: ContinuousLaw) -> None:
    grid = np.unique(np.concatenate([inner_points(law), np.linspace(*law.ppf([1e-3, 1 - 1e-3]), 2001)]))
    cdf, sf = law.cdf(grid), law.sf(grid)
    assert np.abs(cdf + sf - 1.0).max() < 1e-12
    assert (np.diff(cdf) >= 0).all()
    assert (np.diff(sf) <= 0).all()


@every_law
def test_quantiles_invert_the_distribution_function(law: ContinuousLaw) -> None:
    points = inner_points(law)
    assert np.allclose(law.ppf(law.cdf(points)), points, rtol=1e-8, atol=1e-9 * law.std() if law.std() < 9 else 0)
    assert np.allclose(law.isf(law.sf(points)), points, rtol=1e-8, atol=1e-9 * law.std() if law.std() < 9 else 0)


@every_law
def test_tiny_upper_quantiles_keep_relative_accuracy(law: ContinuousLaw) -> None:
    tiny = np.array([1e-30, 1e-60, 1e-10])
    assert np.allclose(law.logsf(law.isf(tiny)), np.log(tiny), rtol=1e-8) or law.support()[1] < np.inf


@every_law
def test_logarithms_agree_with_the_functions(law: ContinuousLaw) -> None:
    points = inner_points(law)
    for log, plain in ((law.logpdf, law.pdf), (law.logcdf, law.cdf), (law.logsf, law.sf)):
        assert np.allclose(np.exp(log(points)), plain(points), rtol=1e-11, atol=1e-300)


@every_law
def test_mean_and_variance_agree_with_quadrature_over_quantiles(law: ContinuousLaw) -> None:
    if not math.isfinite(law.var()):
        pytest.skip("the variance diverges")
    inner = without_underflow(law.ppf(law.atom + (1.0 - law.atom) * np.array([1e-12, *QUANTILES])))
    cuts = np.append(inner, law.isf([1e-9, 1e-15, 1e-30, 1e-60] if law.support()[1] == math.inf else 1e-15))
    moments = [sum(integral(law, a, b, k) for a, b in pairwise(cuts)) for k in (1, 2)]
    assert moments[0] == pytest.approx(law.mean(), rel=1e-7, abs=1e-9)
    assert moments[1] - moments[0] ** 2 == pytest.approx(law.var(), rel=1e-5)


@every_law
def test_outside_the_support_the_density_is_zero_and_nan_stays_nan(law: ContinuousLaw) -> None:
    low, high = law.support()
    outside = np.array([x for x in (-np.inf, low - 1.0, high + 1.0, np.inf) if not low < x < high])
    assert (law.pdf(outside) == 0).all()
    assert np.isneginf(law.logpdf(outside)).all()
    assert set(law.cdf(outside)) <= {0.0, 1.0}
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(law.logcdf(outside), np.log(law.cdf(outside)))
        np.testing.assert_array_equal(law.logsf(outside), np.log(law.sf(outside)))
    assert all(
        np.isnan(f(np.nan)) for f in (law.pdf, law.logpdf, law.cdf, law.sf, law.logcdf, law.logsf, law.ppf, law.isf)
    )
    if low >= 0.0:
        assert (law.pdf([0.0, -1.0, -np.inf]) == 0).all()


@every_law
def test_quantiles_of_no_probability_are_nan_and_of_0_and_1_the_ends(law: ContinuousLaw) -> None:
    assert np.isnan(law.ppf([-0.1, 1.1])).all()
    assert np.isnan(law.isf([-0.1, 1.1])).all()
    assert tuple(law.ppf([0.0, 1.0])) == law.support() == tuple(law.isf([1.0, 0.0]))


@every_law
def test_shapes_pass_through_and_an_empty_array_stays_empty(law: ContinuousLaw) -> None:
    grid = np.ones((2, 3)) * law.median()
    assert law.pdf(grid).shape == law.cdf(grid).shape == law.ppf(np.full((2, 3), 0.5)).shape == (2, 3)
    assert law.logpdf([]).shape == law.sf([]).shape == law.ppf([]).shape == (0,)
    assert np.ndim(law.pdf(1.0)) == 0


@every_law
def test_the_far_ends_of_float64_have_the_right_limits_and_no_warning(law: ContinuousLaw) -> None:
    x = np.array([-1e308, -1.0, 5e-324, 1e-308, 1e-100, 1.0, 1e100, 1e308])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = [f(x) for f in (law.pdf, law.logpdf, law.logcdf, law.logsf, law.cdf, law.sf)]
    assert not np.isnan(values).any()
    assert (np.diff(values[-2]) >= 0).all()
    assert (np.diff(values[-1]) <= 0).all()
    assert (law.cdf(-1e308), law.sf(1e308)) == (0, pytest.approx(0, abs=0.01))  # HTMP at gamma = 1 falls like 1/log x


@every_law
@pytest.mark.parametrize("number", [1, True, np.int64(1), np.float32(1), np.array(1)], ids=lambda x: type(x).__name__)
def test_any_type_of_number_gives_a_float64_scalar(law: ContinuousLaw, number: object) -> None:
    for f in (law.pdf, law.logpdf, law.cdf, law.sf, law.logsf, law.ppf, law.isf):
        assert type(f(number)) is np.float64
        assert f(number) == f(1.0)


@every_law
def test_samples_have_the_shape_asked_for(law: ContinuousLaw) -> None:
    rng = np.random.default_rng(0)
    assert law.rvs((2, 3), rng=rng).shape == (2, 3)
    assert law.rvs(0, rng=rng).shape == (0,)


@every_law
def test_samples_pass_kolmogorov_smirnov_and_a_shifted_law_fails(law: ContinuousLaw) -> None:
    sample = np.sort(law.rvs(4000, rng=np.random.default_rng(1)))
    sample = sample[sample > law.support()[0]] if law.atom else sample
    share = 1.0 - law.atom
    uniform = (law.cdf(sample) - law.atom) / share
    steps = (np.arange(sample.size) + 0.5) / sample.size
    critical = 1.95 / math.sqrt(sample.size)  # p = 0.001
    assert np.abs(uniform - steps).max() < critical
    wrong = (law.cdf(sample + 0.2 * np.diff(np.quantile(sample, [0.25, 0.75]))) - law.atom) / share
    assert np.abs(wrong - steps).max() > critical


@pytest.mark.parametrize("law", SCALED, ids=repr)
def test_the_scale_parameter_multiplies_the_variable(law: ContinuousLaw) -> None:
    wide, x = SCALED[law], law.ppf(QUANTILES)
    assert np.allclose(wide.logpdf(3.0 * x), law.logpdf(x) - math.log(3.0), rtol=1e-11, atol=1e-11)
    assert np.allclose(wide.cdf(3.0 * x), law.cdf(x), rtol=1e-11)
    assert np.allclose(wide.ppf(QUANTILES), 3.0 * x, rtol=1e-9)
