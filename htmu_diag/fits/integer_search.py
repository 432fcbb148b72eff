"""Searches on integers in strides, for functions that cost far more than the search.

Both take a function with one turn: it rises to a maximum and falls, or it rises. Its values should be remembered by the
caller; a point may be asked for more than once.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["first_above", "highest"]

_STRIDE = 4


def highest(height: Callable[[int], float], start: int, low: int, high: int) -> int:
    """The integer in [low, high] whose neighbours are not higher, uphill from start.

    >>> highest(lambda k: -((k - 23.4) ** 2), 2, 0, 100)
    23
    """
    left, top, right = _around(height, start, low, high)
    while top - left > 1 or right - top > 1:
        probe = _vertex(height, left, top, right)
        if height(probe) > height(top):
            left, top, right = (top, probe, right) if probe > top else (left, probe, top)
        else:
            left, right = (left, probe) if probe > top else (probe, right)
    return top


def first_above(value: Callable[[int], float], level: float, limit: int) -> int | None:
    """The first k in [0, limit] with value(k) >= level, for a rising function; None where there is none.

    >>> first_above(lambda k: k**1.5, 100.0, 1000)
    22
    """
    below, above = -1, 0
    while value(above) < level:
        if above == limit:
            return None
        below, above = above, min(2 * above + 1, limit)
    while above - below > 1:
        low, high = value(below), value(above)
        share = (level - low) / (high - low) if high > low else 0.5
        probe = min(max(below + round(share * (above - below)), below + 1), above - 1)
        below, above = (probe, above) if value(probe) < level else (below, probe)
    return above


def _around(height: Callable[[int], float], start: int, low: int, high: int) -> tuple[int, int, int]:
    """left <= top <= right, the height at top not below the others; at an end of the range they may meet."""
    right = min(start + _STRIDE, high)
    direction = 1 if height(right) > height(start) else -1
    behind, top = (start, right) if direction > 0 else (right, start)
    end, stride = (high, 2 * _STRIDE) if direction > 0 else (low, _STRIDE)
    while top != end:
        ahead = top + direction * min(stride, abs(end - top))
        if height(ahead) <= height(top):
            break
        behind, top, stride = top, ahead, 2 * stride
    else:
        ahead = top
    return (behind, top, ahead) if direction > 0 else (ahead, top, behind)


def _vertex(height: Callable[[int], float], left: int, top: int, right: int) -> int:
    """Where the parabola through the three is highest; a neighbour of top, on the longer side, where that is top."""
    rise, fall = top - left, right - top
    neighbour = top + 1 if fall > rise else top - 1
    if not rise or not fall:
        return neighbour
    up, down = (height(top) - height(left)) / rise, (height(right) - height(top)) / fall
    vertex = round((left + top + (right - left) * up / (up - down)) / 2) if up > down else top
    return vertex if left < vertex < right and vertex != top else neighbour
