"""Tail laws against scipy and mpmath, the scipy adapter, and the domains of the parameters."""

import mpmath
import numpy as np
import pytest
from scipy import stats

from htmu_diag.errors import InputError
from htmu_diag.laws import (
    HTMP,
    Exponential,
    InverseGamma,
    Lognormal,
    MarchenkoPastur,
    PowerLaw,
    StretchedExponential,
    TruncatedPowerLaw,
    as_rv_continuous,
)
from htmu_diag.laws.exponential_integral import scaled_expint

X = np.geomspace(1.01, 50.0, 20)


@pytest.mark.parametrize(
    ("law", "oracle"),
    [
        (PowerLaw(2.5, 1.0), stats.pareto(1.5)),
        (Exponential(0.7, 1.0), stats.expon(loc=1.0, scale=1 / 0.7)),
        (Lognormal(0.5, 1.3), stats.lognorm(1.3, scale=np.exp(0.5))),
        (StretchedExponential(0.5, 0.7), stats.weibull_min(0.7, scale=2.0)),
        (InverseGamma(2.5, 3.0), stats.invgamma(2.5, scale=3.0)),
    ],
    ids=["power law", "exponential", "lognormal", "stretched exponential", "inverse Gamma"],
)
def test_density_and_survival_agree_with_scipy(law: PowerLaw, oracle: stats.rv_continuous) -> None:
    assert np.allclose(law.logpdf(X), oracle.logpdf(X), rtol=1e-11, atol=1e-12)
    assert np.allclose(law.sf(X), oracle.sf(X), rtol=1e-10)
    assert np.allclose(law.ppf([0.01, 0.5, 0.99]), oracle.ppf([0.01, 0.5, 0.99]), rtol=1e-9)


def test_a_conditional_law_is_the_law_divided_by_its_mass_above_xmin() -> None:
    for whole, above in (
        (Lognormal(0.5, 1.3), Lognormal(0.5, 1.3, 1.0)),
        (StretchedExponential(0.5, 0.7), StretchedExponential(0.5, 0.7, 1.0)),
    ):
        assert np.allclose(above.sf(X), whole.sf(X) / whole.sf(1.0), rtol=1e-12)
        assert np.allclose(above.pdf(X), whole.pdf(X) / whole.sf(1.0), rtol=1e-12)


def test_a_truncated_power_law_joins_the_pure_one_as_the_cutoff_moves_away() -> None:
    assert np.allclose(TruncatedPowerLaw(2.5, 1e-9).logpdf(X), PowerLaw(2.5).logpdf(X), atol=1e-6)
    assert np.allclose(TruncatedPowerLaw(0.0, 0.7).logpdf(X), Exponential(0.7, 1.0).logpdf(X), atol=1e-12)


@pytest.mark.parametrize("p", [-7.3, -1.0, 0.0, 1e-9, 0.3, 1.0, 1.0000001, 2.0, 2.5, 7.7, 50.0])
@pytest.mark.parametrize("z", [1e-12, 0.01, 0.999, 1.0, 3.0, 100.0, 1e4])
def test_the_exponential_integral_of_real_order_agrees_with_mpmath(p: float, z: float) -> None:
    with mpmath.workdps(60):
        order, point = mpmath.mpf(p), mpmath.mpf(z)
        exact = float(mpmath.exp(point) * point ** (order - 1) * mpmath.gammainc(1 - order, point))
    assert scaled_expint(p, np.array([z]))[0] == pytest.approx(exact, rel=1e-12)


def test_the_adapter_is_a_scipy_distribution_with_loc_and_scale() -> None:
    law = HTMP(0.5, 4.0)
    adapted = as_rv_continuous(law)
    assert np.allclose(adapted.pdf(X, loc=1.0, scale=2.0), law.pdf((X - 1.0) / 2.0) / 2.0, rtol=1e-12)
    assert np.allclose(adapted(scale=3.0).ppf([0.1, 0.9]), 3.0 * law.ppf([0.1, 0.9]), rtol=1e-12)
    assert adapted.expect(lambda x: x) == pytest.approx(1.0, rel=1e-7)
    assert adapted.stats() == pytest.approx((law.mean(), law.var()))
    sample = adapted.rvs(size=500, random_state=np.random.default_rng(0))
    assert stats.kstest(sample, adapted.cdf).pvalue > 0.01
    assert stats.kstest(sample, as_rv_continuous(HTMP(0.5, 0.8)).cdf).pvalue < 0.001


def test_the_adapter_refuses_a_law_with_an_atom() -> None:
    with pytest.raises(InputError, match="atom of mass 0.5"):
        as_rv_continuous(MarchenkoPastur(2.0))


@pytest.mark.parametrize(
    "build",
    [
        lambda: PowerLaw(1.0),
        lambda: PowerLaw(2.0, 0.0),
        lambda: PowerLaw(np.nan),
        lambda: TruncatedPowerLaw(2.0, 0.0),
        lambda: TruncatedPowerLaw(np.inf, 1.0),
        lambda: Lognormal(np.nan, 1.0),
        lambda: Lognormal(0.0, 0.0),
        lambda: Lognormal(0.0, 1.0, -1.0),
        lambda: Exponential(-1.0),
        lambda: StretchedExponential(1.0, 0.0),
        lambda: InverseGamma(0.0),
        lambda: InverseGamma(1.0, np.inf),
    ],
)
def test_parameters_outside_the_domain_raise_with_the_reason(build: type) -> None:
    with pytest.raises(InputError, match="(is not|is negative).*;"):
        build()
