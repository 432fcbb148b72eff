"""Where a matrix that lies on a device is decomposed: there, or on the host, whichever took less time before.

No rule by size fits all machines: a device is slow at small symmetric matrices and fast at large ones, and the host's
cores may be busy. So each place is tried twice for a shape (the first call of a solver sets it up), and from then on
the one with the shorter try is taken.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Hashable, Iterator
from typing import Literal

__all__ = ["Placement"]

Place = Literal["device", "host"]
TRIES = 2


class Placement:
    """Remembers what each place took for each kind of work."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[Hashable, Place], list[float]] = {}

    @contextlib.contextmanager
    def choosing(self, work: Hashable) -> Iterator[Place]:
        """Gives the place for a block, and notes how long the block took unless it raised."""
        tried: dict[Place, list[float]] = {
            "device": self._seconds.setdefault((work, "device"), []),
            "host": self._seconds.setdefault((work, "host"), []),
        }
        untried = [place for place, seconds in tried.items() if len(seconds) < TRIES]
        place = untried[0] if untried else min(tried, key=lambda p: min(tried[p]))
        began = time.perf_counter()
        yield place
        if untried:
            tried[place].append(time.perf_counter() - began)
