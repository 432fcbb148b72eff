"""Where the eigenvalues of a matrix on a GPU are taken: on the host, which has time, as long as it keeps up.

The solver of a device is faster, but what it takes is taken from the training: the eigenvalues of 50 matrices of a GPT
of 124 M parameters lengthened 100 of its steps by 5 to 8 % on an H100, where the host's did not. So the products are
taken on the device, where they cost next to nothing, and the eigenvalues by a core of the host that has little else to
do. Where this core would work for more than ``SHARE`` of the time, and ``BURST`` seconds besides, the host falls
behind: then the device takes over, unless it was seen to be slower for this shape.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Hashable, Iterator
from typing import Literal

__all__ = ["Placement"]

Place = Literal["device", "host"]
SHARE = 0.5  # of the time that passes
BURST = 10.0  # seconds at any time, such as for a first snapshot


class Placement:
    """Remembers what each place took for each kind of work, and how long the host has worked."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[Hashable, Place], float] = {}
        self._worked = 0.0
        self._began: float | None = None

    @contextlib.contextmanager
    def choosing(self, work: Hashable) -> Iterator[Place]:
        """Gives the place for a block, and notes how long the block took unless it raised."""
        began = time.perf_counter()
        place = self._place(work, began)
        yield place
        took = time.perf_counter() - began
        self._seconds[work, place] = min(took, self._seconds.get((work, place), took))
        self._worked += took if place == "host" else 0.0

    def _place(self, work: Hashable, now: float) -> Place:
        self._began = now if self._began is None else self._began
        host, device = (self._seconds.get((work, place), 0.0) for place in ("host", "device"))
        keeps_up = self._worked + host <= BURST + SHARE * (now - self._began)
        return "host" if keeps_up or 0.0 < host <= device else "device"
