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


def test_an_expected_price_holds_for_the_first_run_too() -> None:
    budget = Budget(0.1, clock := Clock())
    budget.expect("hessian", 9.0)
    assert not budget.affords("hessian", 0)
    clock.now = 80.0
    assert not budget.affords("hessian", 8)  # 9 of 89 seconds
    clock.now = 82.0
    assert budget.affords("hessian", 9)
    budget.spend("hessian", 1.0)
    budget.expect("hessian", 9.0)  # what it did cost counts more than what was expected
    assert budget.affords("hessian", 10)


def test_what_was_passed_over_is_told_once_with_its_price() -> None:
    budget = Budget(0.05, clock := Clock())
    budget.spend("ntk", 4.0)
    clock.now = 1.0
    assert not budget.affords("ntk", 100)
    assert not budget.affords("ntk", 200)
    (sentence,) = budget.pop_skipped("ntk")
    assert "100, 200" in sentence
    assert "4 s" in sentence
    assert "5%" in sentence
    assert budget.pop_skipped("ntk") == []


def test_a_run_under_way_counts_at_its_expected_price() -> None:
    budget = Budget(0.05, clock := Clock())
    assert budget.affords("ntk", 0)
    assert not budget.affords("ntk", 1)  # nobody knows yet what it costs
    budget.spend("ntk", 1.0)
    clock.now = 100.0
    admitted = [budget.affords("ntk", step) for step in range(2, 8)]
    assert admitted == [True] * 4 + [False] * 2  # 1 s spent and 4 s promised of 5 s
    budget.withdraw("ntk")
    assert budget.affords("ntk", 8)


def test_several_probes_share_one_budget_with_what_is_no_probe_s_own() -> None:
    budget = Budget(0.1, clock := Clock())
    for probe in ("a", "b"):
        budget.affords(probe, 0)
        budget.spend(probe, 1.0)
    clock.now = 29.0
    assert budget.affords("a", 1)
    assert not budget.affords("b", 1)
    budget.spend("a", 1.0)
    budget.overhead(5.0)
    clock.now = 88.0
    assert not budget.affords("b", 2)
    clock.now = 89.1
    assert budget.affords("b", 3)


def test_a_long_gap_is_told_in_few_words() -> None:
    budget = Budget(0.05, Clock())
    budget.spend("ntk", 4.0)
    for step in range(10**4):
        budget.affords("ntk", step)
    (sentence,) = budget.pop_skipped("ntk")
    assert "0, 1, 2, 3, 4, 5, 6, 7, ... (10000 in all)" in sentence


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_a_share_outside_zero_to_one_is_refused(share: float) -> None:
    with pytest.raises(InputError, match=r"budget="):
        Budget(share)


def test_runs_under_way_count_at_their_price_each() -> None:
    """At 4 s a run, half of 20 s holds what was spent and two more runs, not three."""
    now = [100.0]  # a clock has no zero
    budget = Budget(0.5, clock=lambda: now[0])
    assert budget.affords("hessian", 0)
    budget.spend("hessian", 4.0)
    now[0] = 120.0
    assert [budget.affords("hessian", step) for step in (1, 2, 3)] == [True, True, False]
