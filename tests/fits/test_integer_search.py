"""Searches in strides find what a search of every integer finds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from htmu_diag.fits.integer_search import first_above, highest

RISES = st.lists(st.integers(1, 1000), min_size=0, max_size=60)


@settings(deadline=None)
@given(RISES, RISES, st.data())
def test_the_highest_of_a_rise_and_a_fall(rises: list[int], falls: list[int], data: st.DataObject) -> None:
    heights = [0]
    for change in [*rises, *(-fall for fall in falls)]:
        heights.append(heights[-1] + change)
    start = data.draw(st.integers(0, len(heights) - 1))
    assert highest(lambda k: float(heights[k]), start, 0, len(heights) - 1) == len(rises)


@settings(deadline=None)
@given(RISES, st.integers(0, 30_000))
def test_the_first_above_a_level(rises: list[int], level: int) -> None:
    values = [0]
    for change in rises:
        values.append(values[-1] + change)
    expected = next((k for k, value in enumerate(values) if value >= level), None)
    assert first_above(lambda k: float(values[k]) if k >= 0 else -1.0, level, len(values) - 1) == expected


def test_a_smooth_maximum_far_away_takes_a_dozen_values() -> None:
    asked: set[int] = set()

    def height(k: int) -> float:
        asked.add(k)
        return -(abs(k - 73.3) ** 1.7)

    assert highest(height, 0, -1000, 1000) == 73
    assert len(asked) <= 12
