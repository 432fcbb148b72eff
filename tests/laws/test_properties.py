"""Whatever the parameters of a law and wherever it is asked: probabilities, in order, complementary, invertible."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htmu_diag.laws import (
    HTMP,
    Exponential,
    InverseGamma,
    InverseHTMP,
    Lognormal,
    MarchenkoPastur,
    PowerLaw,
    StretchedExponential,
    TracyWidom,
    TruncatedPowerLaw,
)


def decades(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda power: 10.0**power)


scales = decades(-30, 30)
gammas = st.one_of(st.sampled_from([0.01, 0.5, 1.0]), decades(-4, 0))
kappas = st.one_of(st.sampled_from([1e-3, 2.0, 1e4, np.inf]), decades(-6, 8))
PARAMETERS = {
    HTMP: (gammas, kappas, scales),
    InverseHTMP: (gammas, kappas, scales),
    MarchenkoPastur: (decades(-12, 6), scales),
    InverseGamma: (decades(-3, 4), scales),
    TracyWidom: (st.sampled_from([1, 2, 4]),),
    PowerLaw: (decades(-6, 3).map(lambda x: 1 + x), scales),
    TruncatedPowerLaw: (st.floats(-20, 50), decades(-6, 3), decades(-3, 3)),
    Lognormal: (st.floats(-50, 50), decades(-1, 1), decades(-5, 5)),
    Exponential: (decades(-5, 5), decades(-5, 5)),
    StretchedExponential: (decades(-5, 5), decades(-1.5, 1), decades(-5, 5)),
}
levels = st.lists(st.floats(1e-12, 1 - 1e-12), min_size=1, max_size=8)
anywhere = st.lists(st.floats(-1e300, 1e300), max_size=8)


@pytest.mark.parametrize("family", PARAMETERS, ids=lambda family: family.__name__)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_law_is_a_law_for_all_parameters(family, data):
    law = family(*(data.draw(parameter) for parameter in PARAMETERS[family]))
    q = np.sort(data.draw(levels))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inside = law.ppf(q)
        x = np.sort(np.concatenate([inside, data.draw(anywhere)]))
        cdf, sf, density = law.cdf(x), law.sf(x), law.pdf(x)
    low, high = law.support()
    assert ((inside >= low) & (inside <= high)).all()
    assert (inside[1:] >= inside[:-1]).all()
    assert ((cdf >= 0) & (cdf <= 1) & (sf >= 0) & (sf <= 1) & (density >= 0)).all()
    assert np.abs(cdf + sf - 1).max() < 1e-9
    assert (np.diff(cdf) > -1e-11).all()
    assert (np.diff(sf) < 1e-11).all()
    assert np.isnan(law.cdf(np.nan))
    away = (q > law.atom) & np.isfinite(inside) & (inside - low > 1e-6 * abs(low) if low > -np.inf else True)
    assert np.allclose(law.cdf(inside)[away], q[away], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e160, 1e300])
@pytest.mark.parametrize(
    "law",
    [
        lambda s: HTMP(0.5, 1.0, s),
        lambda s: InverseHTMP(0.1, 4.0, s),
        lambda s: MarchenkoPastur(0.5, s),
        lambda s: InverseGamma(3.0, s),
        lambda s: PowerLaw(3.5, s),
        lambda s: Exponential(1e-300 / min(s, 1.0)),
        lambda s: Lognormal(np.log(s), 1.0),
        lambda s: StretchedExponential(0.5, min(s, 1e-3)),
    ],
)
def test_moments_beyond_the_floats_are_infinite_or_zero_and_never_an_exception(law, scale):
    variance = law(scale).var()
    assert variance == np.inf or 0 <= variance < np.inf
    assert law(scale).mean() > 0
