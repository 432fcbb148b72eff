import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from htmu_diag.errors import InputError
from htmu_diag.probes import Logarithmic, Steps, schedule


def test_a_number_means_every_so_many_steps_and_step_zero() -> None:
    due = schedule(25)
    assert [step for step in range(101) if due(step)] == [0, 25, 50, 75, 100]


@settings(deadline=None)
@given(per_decade=st.integers(1, 12), decade=st.integers(2, 6))
def test_a_logarithmic_schedule_measures_each_later_decade_equally_often(per_decade: int, decade: int) -> None:
    due = Logarithmic(per_decade)
    low, high = 10**decade, 10 ** (decade + 1)
    parts = range(per_decade)
    starts = [low * 10 ** (part / per_decade) for part in parts]
    found = [step for start in starts for step in range(max(low, int(start) - 1), int(start) + 3) if due(step)]
    assert len(set(found)) == per_decade
    assert due(low)
    assert due(high)


def test_a_list_means_these_steps_only() -> None:
    due = schedule([3, 5])
    assert [step for step in range(10) if due(step)] == [3, 5]


def test_a_callable_is_taken_as_it_is() -> None:
    due = schedule(lambda step: step > 7)
    assert [step for step in range(10) if due(step)] == [8, 9]


@pytest.mark.parametrize("spec", [0, -3, "linear", True, 2.5])
def test_what_is_no_schedule_is_refused_by_name(spec: object) -> None:
    with pytest.raises(InputError, match=str(spec)):
        schedule(spec)  # type: ignore[arg-type]


def test_steps_far_out_may_be_listed() -> None:
    assert Steps.of([10**12])(10**12)
