"""What a dear probe will cost, found out before it is paid: two products timed, and their number.

A probe that declares ``priced`` says so before its first run. The budget then holds for that run too. Without a budget
a run of more than two seconds does not stand between `watch` and the first step of the training: it comes after a few.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

from htmu_diag.probes import Budget, Probe, StepContext

__all__ = ["MUCH", "Prices"]

MUCH = 2.0  # seconds of one run
AFTER = 3  # optimizer steps before a dear first run


class Prices:
    """The prices of one run's probes, each asked for once.

    priced: names of the probes that have one. say: told about each that is above two seconds. alone: whether there is
    one process; several do not ask, since their probes measure together. start: the step at which the run begins.
    """

    def __init__(
        self, priced: Collection[str], budget: Budget, start: int, say: Callable[[str], object], *, alone: bool = True
    ) -> None:
        self._budget, self._start, self._say = budget, start, say
        self._unknown = set(priced) if alone else set[str]()
        self._waiting: list[Probe] = []

    def to_decide(self, due: Sequence[Probe]) -> bool:
        """Whether a price is still unknown among them, or a first run was put off."""
        return bool(self._waiting) or any(probe.name in self._unknown for probe in due)

    @property
    def never_run(self) -> list[str]:
        """A sentence for each first run that was put off and did not come."""
        return [
            f"{probe.name}: not measured: its dear first run was put off to step {self._start + AFTER}, and the run "
            "ended before; take more steps, or call snapshot()"
            for probe in self._waiting
        ]

    def waits(self, step: int) -> bool:
        """Whether a first run was put off to this step."""
        return bool(self._waiting) and step >= self._start + AFTER

    def runs(self, due: Sequence[Probe], context: StepContext) -> list[Probe]:
        """Those of the due probes that run now, and those that were put off before."""
        now = [probe for probe in due if not self._put_off(probe, context)]
        if self.waits(context.step):
            now += [probe for probe in self._waiting if probe not in now]
            self._waiting = []
        return now

    def _put_off(self, probe: Probe, context: StepContext) -> bool:
        if probe in self._waiting and context.step < self._start + AFTER:
            return True
        if probe.name not in self._unknown:
            return False
        self._unknown.discard(probe.name)
        seconds = cast(Any, probe).price(context)
        self._budget.expect(probe.name, seconds)
        late = seconds > MUCH and context.step < self._start + AFTER and self._budget.share is None
        if seconds > MUCH:
            self._say(self._sentence(probe.name, seconds, late))
        if late:
            self._waiting.append(probe)
        return late

    def _sentence(self, name: str, seconds: float, late: bool) -> str:
        first = f"; the first one comes after step {self._start + AFTER}" if late else ""
        remedy = "measure less often (every=...), or pass budget=0.05" if self._budget.share is None else ""
        held = f"; the budget of {self._budget.share:.0%} holds for the first one too" if self._budget.share else ""
        return f"{name}: one run takes about {seconds:.2g} s, by two products{first}{held}" + (remedy and f"; {remedy}")
