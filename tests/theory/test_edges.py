"""The smallest samples that count, and numbers that two functions of the same theory share."""

import math

import numpy as np
import pytest

from htmu_diag.laws import PowerLaw
from htmu_diag.theory import Evidence, Phase, classify
from htmu_diag.theory.learning_curve import learning_curve
from htmu_diag.theory.learning_numbers import learning_numbers
from htmu_diag.theory.tail_prediction import exponent_above


def test_nineteen_eigenvalues_have_no_phase_and_twenty_have_one() -> None:
    assert classify(Evidence(19, bulk_p=0.4)).phase == Phase.UNDETERMINED
    assert classify(Evidence(20, bulk_p=0.4)).phase == Phase.RANDOM_LIKE


def test_one_value_has_no_predicted_exponent_and_two_have() -> None:
    law = PowerLaw(3.0, 1.0)
    assert math.isnan(exponent_above(law, 1.0, 1).alpha)
    assert math.isfinite(exponent_above(law, 1.0, 2).alpha)


def test_learning_numbers_are_the_curve_at_a_quarter_and_a_half() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((64, 40)) * np.arange(1, 41) ** -0.7
    kernel, targets = features @ features.T, features @ rng.standard_normal(40)
    found = learning_numbers(kernel, targets)
    curve = learning_curve(kernel, targets - targets.mean(), [4, 8, 16, 32], blocks=0)
    for name, place in (("quarter", 2), ("half", 3)):
        assert found[f"predicted_error_{name}"] == pytest.approx(curve.test_error[place] / targets.var(), rel=1e-9)
        assert found[f"measured_error_{name}"] == pytest.approx(found[f"predicted_error_{name}"], rel=1.0)
