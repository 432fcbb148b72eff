"""Where moments of the laws begin to exist, and what parameters are none."""

import math

import pytest

from htmu_diag.errors import InputError
from htmu_diag.laws import InverseHTMP, TruncatedPowerLaw


def test_a_variance_exists_above_one_and_a_mean_above_zero() -> None:
    """a = (kappa/2)(1/gamma - 1) - 1: a mean exists for a > 0, a variance for a > 1."""
    means = [InverseHTMP(0.5, kappa).mean() for kappa in (2.0, 3.0)]
    variances = [InverseHTMP(0.5, kappa).var() for kappa in (4.0, 4.001)]
    assert [math.isfinite(number) for number in (*means, *variances)] == [False, True, False, True]


@pytest.mark.parametrize("rate", [0.0, math.inf])
def test_a_cutoff_is_at_a_finite_place(rate: float) -> None:
    with pytest.raises(InputError, match="rate"):
        TruncatedPowerLaw(2.0, rate)
