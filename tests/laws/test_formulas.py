"""Ends, limits and ranges of the laws: places where a density of data has no values."""

import math

import numpy as np
import pytest

from htmu_diag import laws
from htmu_diag.laws import MarchenkoPastur, PowerLaw
from htmu_diag.laws.riccati import solve


def test_a_law_that_begins_with_a_density_has_it_at_its_beginning() -> None:
    law = PowerLaw(3.0, 2.0)
    assert law.pdf(2.0) == pytest.approx((3.0 - 1) / 2.0)
    assert law.pdf(np.nextafter(2.0, 0)) == 0.0


@pytest.mark.parametrize("gamma", [1.5, 2.0, 4.0])
def test_quantiles_above_an_atom_go_back_to_their_shares(gamma: float) -> None:
    law = MarchenkoPastur(gamma, 1.3)
    shares = law.atom + (1 - law.atom) * np.array([0.01, 0.3, 0.5, 0.9, 0.999])
    np.testing.assert_allclose(law.cdf(law.ppf(shares)), shares, rtol=1e-9)
    assert law.ppf(law.atom / 2) == 0.0


@pytest.mark.parametrize(("a", "c"), [(0.5, 0.3), (20.0, 4.0), (3.0, 60.0)])
def test_panels_cover_what_was_asked_for_and_no_more(a: float, c: float) -> None:
    low, high = 1e-3, 10 * (a + 2 * c + 1)
    edges = solve(a, c, low, high).edges
    np.testing.assert_allclose([edges[0], edges[-1]], np.log([low, high]), atol=1e-9)
    assert (np.diff(edges) > 0).all()


def test_the_adapter_is_found_by_name_and_another_name_is_told() -> None:
    assert laws.as_rv_continuous(PowerLaw(3.0, 1.0)).cdf(2.0) == pytest.approx(1 - 2.0**-2)
    with pytest.raises(AttributeError, match=f"no attribute 'other'; it has {laws.__all__[0]}"):
        laws.other  # noqa: B018
    assert math.isfinite(PowerLaw(3.0, 1.0).mean())
