"""Cubic Hermite interpolation: the cubic with given values and slopes at both ends of an interval."""

from __future__ import annotations

from typing import Any

__all__ = ["hermite"]


def hermite(values: Any, slopes: Any, i: Any, width: Any, s: Any) -> Any:
    """At the share ``s`` of the interval of this width that begins at node ``i``; numbers, or arrays of one shape.

    values, slopes: (m,) at the nodes, arrays or lists.
    """
    rest, j = 1 - s, i + 1
    ends = values[i] * rest * rest * (1 + 2 * s) + values[j] * s * s * (1 + 2 * rest)
    return ends + width * s * rest * (slopes[i] * rest - slopes[j] * s)
