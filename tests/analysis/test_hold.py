"""A change of a verdict is shown once it lasts, and what is shown was seen."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from htmu_diag.analysis.hold import held

VERDICTS = st.lists(st.sampled_from("abc"), max_size=12)


@given(VERDICTS)
def test_seen_once_is_the_raw_verdict(verdicts: list[str]) -> None:
    assert held(verdicts, 1) == verdicts


@given(VERDICTS, st.integers(1, 4))
def test_what_lasts_is_shown_and_nothing_changes_oftener(verdicts: list[str], hold: int) -> None:
    shown = held(verdicts, hold)
    assert len(shown) == len(verdicts)
    for step in range(hold - 1, len(verdicts)):
        if len(set(verdicts[step + 1 - hold : step + 1])) == 1:
            assert shown[step] == verdicts[step]
    assert changes(shown) <= changes(verdicts)


def test_a_verdict_that_comes_and_goes_is_not_shown() -> None:
    assert held(list("aababbab")) == list("aaaaabbb")


def changes(shown: list[str]) -> int:
    return sum(one != other for one, other in itertools.pairwise(shown))
