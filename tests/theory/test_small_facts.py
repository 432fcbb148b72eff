"""Closed forms of the theory's small parts."""

import numpy as np
import pytest
import scipy.stats

from htmu_diag.theory.scaling import _slope


def test_a_slope_and_its_error_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(0.0, 3.0, 9)
    y = 2.0 - 1.5 * x + 0.1 * rng.standard_normal(9)
    found, expected = _slope(x, y), scipy.stats.linregress(x, y)
    assert (found.value, found.stderr) == pytest.approx((-expected.slope, expected.stderr))
