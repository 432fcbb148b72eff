"""Moments pooled from directions: the mean where all are alike, and less weight for what is off."""

import math

import numpy as np
import pytest

from htmu_diag.solvers.moments import Direction, pooled


def directions(count: int = 32) -> list[Direction]:
    draws = np.random.default_rng(0).normal(size=count)
    return [Direction((1 + x, 2 + x**2)) for x in draws]


def test_directions_that_are_alike_give_the_mean_and_its_standard_error() -> None:
    found = directions()
    first, second = np.array([direction.moments for direction in found]).T
    moments, stderr = pooled(found)
    assert moments == pytest.approx((first.mean(), second.mean()))
    assert stderr == pytest.approx(first.std(ddof=1) / math.sqrt(32))


def test_a_direction_weighs_less_the_more_it_may_be_off() -> None:
    exact, _ = pooled(directions())
    wrong = (1e3, 1e6)
    believed, _ = pooled([*directions(), Direction(wrong)])
    doubted, _ = pooled([*directions(), Direction(wrong, (1e6, 1e9))])
    assert believed[0] > 10
    assert doubted == pytest.approx(exact, rel=1e-3)


def test_a_direction_of_which_nothing_is_left_counts_for_nothing() -> None:
    assert pooled([*directions(), Direction((1e9, 1e9), share=0.0)]) == pooled(directions())


def test_one_direction_has_no_standard_error() -> None:
    moments, stderr = pooled([Direction((2.0, 5.0))])
    assert moments == (2.0, 5.0)
    assert math.isnan(stderr)


def test_the_standard_error_covers_the_error_with_unequal_weights() -> None:
    rng = np.random.default_rng(1)
    scores = []
    for _ in range(400):
        sure = [Direction((x, 1.0)) for x in rng.normal(size=12)]
        unsure = [Direction((x, 1.0), (2.0, 0.0)) for x in rng.normal(scale=math.sqrt(5), size=12)]
        moments, stderr = pooled([*sure, *unsure])
        scores.append(moments[0] / stderr)
    assert np.std(scores) == pytest.approx(1, abs=0.12)
