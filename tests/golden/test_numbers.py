"""Numbers and words for fixed inputs are those that were last looked at (`tests.golden.numbers` writes them anew)."""

import pytest

from tests.golden.numbers import all_cases, differences, found, kept

RELATIVE = {
    "laws": 1e-8,
    "fits": 1e-5,
    "edges": 1e-5,
    "solved": 1e-4,
    "probes": 1e-4,
}  # elsewhere searches end, and terms cancel
ROOMS = all_cases()


@pytest.mark.parametrize(("room", "case"), [(room, case) for room, cases in ROOMS.items() for case in cases])
def test_numbers_and_words_are_as_they_were(room: str, case: str) -> None:
    assert differences(kept(room)[case], found(ROOMS[room][case]), RELATIVE.get(room, 1e-6)) == []


def test_a_number_a_word_and_a_missing_one_are_told() -> None:
    told = differences({"a": 1.0, "b": "x", "c": 2.0, "d": 0.0}, {"a": 1.0 + 1e-5, "b": "y", "d": 1e-13}, 1e-6)
    assert [line.split(":")[0] for line in told] == ["a", "b", "c"]
