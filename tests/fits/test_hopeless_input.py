"""Every fit ends in a result with a status and a remedy, whatever the array holds."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from htmu_diag.errors import InputError
from htmu_diag.fits import (
    compare,
    fit_htmp,
    fit_inverse_gamma,
    fit_marchenko_pastur,
    fit_power_law,
    fit_truncated_power_law,
    gap_ratio,
    hill,
)

FITS = {
    "power law": fit_power_law,
    "power law, bootstrap": lambda x: fit_power_law(x, bootstrap=5),
    "power law, known xmin": lambda x: fit_power_law(x, xmin=1.0),
    "lower tail": lambda x: fit_power_law(x, tail="lower"),
    "truncated power law": fit_truncated_power_law,
    "Marchenko-Pastur": lambda x: fit_marchenko_pastur(x, 0.5),
    "HTMP": lambda x: fit_htmp(x, 0.5),
    "HTMP, square": lambda x: fit_htmp(x, 1.0),
    "HTMP, auto": lambda x: fit_htmp(x, 0.5, orientation="auto"),
    "HTMP, square inverse": lambda x: fit_htmp(x, 1.0, orientation="inverse"),
    "HTMP, exact digits": lambda x: fit_htmp(x, 0.5, resolution=0.0),
    "HTMP, censored": lambda x: fit_htmp(x, 0.5, dimension=500, bootstrap=1),
    "HTMP, floor": lambda x: fit_htmp(x, 0.5, floor=0.5),
    "inverse Gamma": fit_inverse_gamma,
    "inverse Gamma, all": lambda x: fit_inverse_gamma(x, 1.0, bootstrap=2),
    "gap ratio": gap_ratio,
    "Hill": hill,
    "comparison": lambda x: compare(x, 1.0, ("power_law", "lognormal"))[0],
    "nested comparison": lambda x: compare(x, 1.0, ("truncated_power_law", "exponential"))[0],
    "stretched comparison": lambda x: compare(x, 1.0, ("power_law", "stretched_exponential"))[0],
}
ESTIMATE = {"TailFit": "alpha", "BulkFit": "scale", "LawFit": "scale", "GapRatio": "mean", "Comparison": "log_ratio"}
HOPELESS = {
    "empty": [],
    "nine values": np.arange(1.0, 10.0),
    "all equal": np.ones(50),
    "zeros": np.zeros(50),
    "negatives": -np.arange(1.0, 50.0),
    "NaN": [*np.arange(1.0, 50.0), math.nan],
    "infinity": [*np.arange(1.0, 50.0), math.inf],
    "three distinct": np.repeat([1.0, 2.0, 3.0], 20),
    "mostly zeros": [*np.zeros(48), 1.0, 2.0],
}
NASTY = {
    "300 orders": np.geomspace(1e-160, 1e160, 60),
    "600 orders": np.geomspace(1e-300, 1e300, 60),
    "subnormal": np.arange(1, 60) * 5e-324,
    "integers": np.arange(1, 60),
    "float32": np.geomspace(1, 100, 60, dtype=np.float32),
    "one huge": np.array([*np.linspace(1, 2, 50), 1e308]),
    "one tiny": np.array([1e-308, *np.linspace(1, 2, 50)]),
    "far from xmin": 1e200 * np.linspace(1, 5, 60),
    "tail of two": np.r_[1 + 1e-3 * np.arange(50), 1e6, 1e7],
    "nearly equal": 1 + np.arange(60) * 2.3e-16,
    "two clusters": np.array([1.0] * 30 + [2.0] * 30 + [3.0, 4.0, 5.0]),
}


def check(result):
    assert result.status.ok or ";" in result.status.message  # what; remedy
    name = ESTIMATE.get(type(result).__name__)
    if name and result.status.ok and type(result).__name__ != "LawFit":
        assert math.isfinite(getattr(result, name))
    if type(result).__name__ == "LawFit" and result.status.ok:
        assert all(math.isfinite(value) for value in result.parameters.values())
        assert result.law is not None


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize("name", HOPELESS)
def test_hopeless_input_is_never_ok(fit, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fit(np.array(HOPELESS[name]))
    assert not result.status.ok
    check(result)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize("name", NASTY)
def test_nasty_input_ends_in_a_result_without_a_warning(fit, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(fit(NASTY[name]))


NO_NUMBERS = {
    "strings": ["1.0"] * 20,
    "None": None,
    "a None among them": [1.0] * 20 + [None],
    "complex": np.ones(20) * 1j,
    "matrix": np.ones((5, 5)),
    "ragged": [[1.0, 2.0], [3.0]],
    "scalar": 3.0,
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_is_no_flat_array_of_numbers_is_refused_with_a_remedy(fit, name):
    with pytest.raises(InputError, match="pass"):
        fit(NO_NUMBERS[name])


@pytest.mark.parametrize("xmin", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("fit", [fit_power_law, fit_truncated_power_law], ids=lambda f: f.__name__)
def test_an_xmin_where_no_tail_can_start_is_refused(fit, xmin):
    with pytest.raises(InputError, match="pass the start of the tail"):
        fit(np.arange(1.0, 50.0), xmin=xmin)


NUMBERS = st.one_of(
    st.floats(0, 1e308),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, 2.0, 5e-324, 1e-308, 1e300]),
)


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_no_array_breaks_a_fit(fit, data):
    elements = data.draw(st.sampled_from([NUMBERS, st.floats(1e-3, 1e3), st.floats(1e-308, 1e308)]))
    check(fit(data.draw(arrays(np.float64, st.integers(0, 40), elements=elements))))
