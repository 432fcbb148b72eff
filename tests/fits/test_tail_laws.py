"""A family of tail laws states its transforms: what its parameters are called changes no number."""

import dataclasses
import math

import numpy as np
import pytest

from htmu_diag.fits import Parameter, TailFamily, compare, fit_tail_law
from htmu_diag.fits.tail_families import TAIL_LAWS
from htmu_diag.laws import Exponential, Lognormal, PowerLaw


class Shifted(Lognormal):
    """A lognormal whose first parameter has another name."""

    shift = property(lambda self: self.mu)


RENAMED = dataclasses.replace(
    TAIL_LAWS["lognormal"],
    name="shifted",
    build=lambda v, x: Shifted(v[0] + math.log(x), v[1], x),
    parameters=(Parameter.plain("shift", (-200.0, 50.0)), Parameter.positive("sigma", (-8.0, 5.0))),
)


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return Lognormal(0.3, 0.8, 1.0).rvs(400, rng=np.random.default_rng(0))


def test_a_parameter_of_another_name_has_the_same_standard_error(values: np.ndarray) -> None:
    ours, renamed = fit_tail_law(values, 1.0, "lognormal"), fit_tail_law(values, 1.0, RENAMED)
    assert renamed.stderr["shift"] == ours.stderr["mu"]
    assert renamed.parameters["shift"] == ours.parameters["mu"]


@pytest.mark.parametrize("law", TAIL_LAWS)
def test_the_slope_of_every_parameter_is_the_derivative_of_its_value(law: str) -> None:
    for one in TAIL_LAWS[law].parameters:
        for p in (-1.5, 0.2, 2.0):
            quotient = (one.value(p + 1e-6) - one.value(p - 1e-6)) / 2e-6
            assert one.slope(p) == pytest.approx(quotient, rel=1e-8)


@pytest.mark.parametrize("xmin", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("law", TAIL_LAWS)
def test_standard_errors_scale_as_the_parameters_do(values: np.ndarray, law: str, xmin: float) -> None:
    """In other units the parameters are multiplied by a power of the unit (mu is moved), and so are their errors."""
    ours, scaled = fit_tail_law(values, 1.0, law), fit_tail_law(values * xmin, xmin, law)
    for name, error in ours.stderr.items():
        power = xmin if name != "mu" else 1.0
        ratio = ours.parameters[name] / scaled.parameters[name] if name != "mu" else 1.0
        assert ratio == pytest.approx(1.0, rel=1e-3) or ratio == pytest.approx(power, rel=1e-3)
        assert error == pytest.approx(scaled.stderr[name] * ratio, rel=2e-3)


def test_a_family_of_ones_own_is_compared_with_the_known_ones(values: np.ndarray) -> None:
    mine = TailFamily(
        "mine",
        lambda v, x: Exponential(v[0] / x, x),
        (Parameter.positive("rate", unit=-1),),
        lambda u: (-math.log(u.mean() - 1),),
    )
    found = compare(values, 1.0, ["lognormal", mine])[0]
    known = compare(values, 1.0, ["lognormal", "exponential"])[0]
    assert (found.second.family, found.log_ratio) == ("mine", known.log_ratio)


@pytest.mark.parametrize("rival_first", [False, True])
def test_a_rival_whose_maximum_was_not_found_has_a_status_and_no_p_value(rival_first: bool) -> None:
    """The likelihood of this family is flat in a parameter that its law does not have."""
    flat = TailFamily(
        "flat",
        lambda v, x: PowerLaw(v[0], x),
        (Parameter.positive("alpha", (-20.0, 20.0), above=1.0), Parameter.plain("alpha", (-1.0, 1.0))),
        lambda u: (0.0, 0.0),
    )
    values = PowerLaw(2.5).rvs(200, rng=np.random.default_rng(3))
    found = compare(values, 1.0, [flat, "exponential"] if rival_first else ["exponential", flat])[0]
    assert math.isfinite(found.log_ratio)
    assert math.isnan(found.p_value)
    assert found.status.code == "not_converged"
    assert found.status.message.startswith("flat: ")


def test_a_comparison_with_a_law_at_the_edge_of_its_domain_says_so() -> None:
    values = np.exp(np.random.default_rng(1).exponential(size=500) ** 1.5)  # heavier than any power law
    found = compare(values, 1.0, ["power_law", "truncated_power_law"])[0]
    assert found.second.status.code == found.status.code == "at_boundary"
    assert found.status.message.startswith("truncated_power_law: no cutoff")
    assert found.p_value > 0.1
