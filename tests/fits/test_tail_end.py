"""What the tests of a tail against others are made from: which values, and when there is nothing to compare."""

import numpy as np
import pytest

from htmu_diag.fits.power_law import fit_power_law
from htmu_diag.fits.tail_end import end_statistic
from htmu_diag.fits.tail_rival import exponential_rival


def ended(n):
    """Quantiles of the density 1 - log(x)/2 over x, on 1 to e^2."""
    return np.exp(2 - 2 * np.sqrt(1 - (np.arange(n) + 0.5) / n))


def test_below_a_given_xmin_nothing_is_looked_at():
    values = ended(100)
    tail = values[90:]
    assert end_statistic(values, 90) > end_statistic(tail, 0, own_only=True)
    assert end_statistic(values, 90, own_only=True) == end_statistic(tail, 0, own_only=True)
    assert fit_power_law(values, xmin=tail[0]).end_ratio == fit_power_law(tail, xmin=tail[0]).end_ratio


def test_of_many_values_every_second_one_tells_where_the_tail_ends():
    values = ended(8191)
    assert end_statistic(values, 0) / 8191 == pytest.approx(end_statistic(values[::2], 0) / 4096, rel=1e-9)


@pytest.mark.parametrize("tail", [np.full(9, 2.0), 10.0 ** np.linspace(-160, 160, 33)])
def test_a_tail_without_an_exponential_rate_has_no_rival(tail):
    rival = exponential_rival(tail, tail[0])
    assert np.isnan([rival.log_ratio, rival.normalized]).all()
    assert not rival.likelier
    assert not rival.as_likely
