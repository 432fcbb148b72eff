import itertools

import pytest

from htmu_diag.errors import InputError
from htmu_diag.probes import Budget


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def measured_steps(
    share: float | None, cost: float, steps: int, seconds_a_step: float = 1.0
) -> tuple[list[int], Clock]:
    clock = Clock()
    budget = Budget(share, clock)
    done = []
    for step in range(steps):
        clock.now += seconds_a_step
        if budget.affords("hessian", step):
            done.append(step)
            clock.now += cost
            budget.spend("hessian", cost)
    return done, clock


def test_time_spent_stays_within_the_share_of_wall_time() -> None:
    done, clock = measured_steps(0.05, cost=2.0, steps=2000)
    assert len(done) * 2.0 <= 0.05 * clock.now + 2.0
    assert len(done) * 2.0 > 0.045 * clock.now


def test_the_interval_stretches_to_cost_over_share() -> None:
    done, _ = measured_steps(0.1, cost=5.0, steps=500)
    gaps = [later - earlier for earlier, later in itertools.pairwise(done[2:])]
    assert {gap + 5.0 for gap in gaps} == {50.0}


def test_without_a_share_everything_is_affordable() -> None:
    done, _ = measured_steps(None, cost=100.0, steps=10)
    assert done == list(range(10))


def test_what_was_passed_over_is_told_once_with_its_price() -> None:
    budget = Budget(0.05, clock := Clock())
    budget.spend("ntk", 4.0)
    clock.now = 1.0
    assert not budget.affords("ntk", 100)
    assert not budget.affords("ntk", 200)
    (sentence,) = budget.told("ntk")
    assert "100, 200" in sentence
    assert "4 s" in sentence
    assert "5%" in sentence
    assert budget.told("ntk") == []


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_a_share_outside_zero_to_one_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"budget="):
        Budget(share)
