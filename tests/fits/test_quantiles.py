"""Quantiles of ordered values are numpy's, bit for bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from htmu_diag.fits.quantiles import quantile_of_sorted

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@given(VALUES, st.floats(0, 1))
def test_a_quantile_of_ordered_values_is_that_of_numpy(values: list[float], q: float) -> None:
    ascending = np.sort(values)
    assert quantile_of_sorted(ascending, q) == np.quantile(ascending, q)
