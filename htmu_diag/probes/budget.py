"""A ceiling on what measuring may cost: a probe waits while its time spent would exceed a share of the wall time.

With a share f, a probe that costs c seconds runs at most once in c/f seconds: its interval stretches to the next step
that is due and affordable. What was passed over is told, so that a gap in a curve has its reason beside it.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from htmu_diag.errors import InputError

__all__ = ["Budget"]


class Budget:
    """Time spent by each probe against a share of the wall time since the start; safe to use from two threads.

    share: upper bound of (seconds spent measuring) / (seconds passed), over all probes; None means no bound.
    clock: seconds, monotonic.
    """

    def __init__(self, share: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        if share is not None and not 0 < share <= 1:
            raise InputError(f"budget={share}: a share of wall time in (0, 1], such as 0.05, or None for no bound")
        self.share = share
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._spent = 0.0
        self._last: dict[str, float] = {}
        self._skipped: dict[str, list[int]] = defaultdict(list)

    def affords(self, probe: str, step: int) -> bool:
        """Whether one more run, at the price of the last one, stays within the share; the first one does."""
        if self.share is None or probe not in self._last:
            return True
        with self._lock:
            cost = self._last[probe]
            fits = self._spent + cost <= self.share * (self._clock() - self._start + cost)
        if not fits:
            self._skipped[probe].append(step)
        return fits

    def spend(self, probe: str, seconds: float) -> None:
        """Add the price of one run."""
        with self._lock:
            self._spent += seconds
            self._last[probe] = seconds

    def told(self, probe: str) -> list[str]:
        """One sentence about the steps passed over since the last call, or none."""
        steps = self._skipped.pop(probe, [])
        if not steps or self.share is None:
            return []
        listed = ", ".join(map(str, steps[:8])) + (f", ... ({len(steps)} in all)" if len(steps) > 8 else "")
        return [
            f"{probe}: not measured at step {listed}: one run costs {self._last[probe]:.2g} s, "
            f"which exceeds the budget of {self.share:.0%} of wall time"
        ]
