"""A ceiling on what measuring may cost: a probe waits while its time spent would exceed a share of the wall time.

With a share f, a probe that costs c seconds runs at most once in c/f seconds: its interval stretches to the next step
that is due and affordable. A run that was let through counts at its expected price until its own is known. What was
passed over is said, so that a gap in a curve has its reason beside it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from htmu_diag.arguments import real
from htmu_diag.errors import InputError

__all__ = ["Budget"]

LISTED = 8  # steps that a sentence names; the others are counted


class Budget:
    """Time spent by each probe against a share of the wall time since the start; safe to use from two threads.

    share: upper bound of (seconds spent measuring) / (seconds passed), over all probes; None means no bound.
    clock: seconds, monotonic.
    """

    def __init__(self, share: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        if share is not None and not real(0, 1, above=True).holds(share):
            raise InputError(f"budget={share}: a share of wall time in (0, 1], such as 0.05, or None for no bound")
        self.share = share
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._spent = 0.0
        self._price: dict[str, float] = {}
        self._under_way: Counter[str] = Counter()
        self._skipped: dict[str, _Skipped] = {}

    def affords(self, probe: str, step: int) -> bool:
        """Whether one more run, at the price of the last one, stays within the share; then `spend` or `withdraw` it.

        The first run always does, unless a price was expected; until its price is known, no second one does.
        """
        if self.share is None:
            return True
        with self._lock:
            fits = self._fits(probe, self.share)
            if fits:
                self._under_way[probe] += 1
            else:
                self._skipped.setdefault(probe, _Skipped()).add(step)
        return fits

    def expect(self, probe: str, seconds: float) -> None:
        """The price of a run before the first one, by an estimate."""
        with self._lock:
            self._price.setdefault(probe, seconds)

    def spend(self, probe: str, seconds: float) -> None:
        """The price of one run that has ended."""
        self.withdraw(probe)
        with self._lock:
            self._spent += seconds
            self._price[probe] = seconds

    def withdraw(self, probe: str) -> None:
        """A run that was let through did not take place."""
        with self._lock:
            self._under_way[probe] = max(self._under_way[probe] - 1, 0)

    def overhead(self, seconds: float) -> None:
        """Time spent that is no probe's own: looking at every step, writing."""
        with self._lock:
            self._spent += seconds

    def pop_skipped(self, probe: str) -> list[str]:
        """One sentence about the steps passed over since the last call, which are forgotten; or none."""
        with self._lock:
            skipped = self._skipped.pop(probe, None)
        if skipped is None or self.share is None:
            return []
        price = f"one run costs {self._price[probe]:.2g} s" if probe in self._price else "the first run had not ended"
        return [f"{probe}: not measured at step {skipped}: {price}, against a budget of {self.share:.0%} of wall time"]

    def _fits(self, probe: str, share: float) -> bool:
        if probe not in self._price:
            return not self._under_way[probe]
        cost = self._price[probe]
        promised = sum(count * self._price.get(name, 0.0) for name, count in self._under_way.items())
        return self._spent + promised + cost <= share * (self._clock() - self._start + cost)


@dataclass
class _Skipped:
    """Steps passed over: the first few, and how many."""

    first: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, step: int) -> None:
        self.count += 1
        if self.count <= LISTED:
            self.first.append(step)

    def __str__(self) -> str:
        listed = ", ".join(map(str, self.first))
        return listed + (f", ... ({self.count} in all)" if self.count > LISTED else "")
