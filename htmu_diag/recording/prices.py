"""What a dear probe will cost, found out before it is paid, by a small part of it.

A probe that declares ``priced`` says so before its first run. The budget then holds for that run too. Without a budget
no more than two seconds of runs stand between `watch` and the first step of the training: what is dear, or would be
with those before it, comes after a few.
What is known when the run begins stands in its first line; what a probe that is due later costs is said then.
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
        self._at_first = 0.0  # seconds of the runs that were not put off

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

    def ask(self, due: Sequence[Probe], context: StepContext) -> dict[str, str]:
        """What is to be said of those of the due probes that are dear, by their names; each is asked once."""
        unknown = [probe for probe in due if probe.name in self._unknown]
        said = {probe.name: self._asked(probe, context) for probe in unknown}
        return {name: sentence for name, sentence in said.items() if sentence}

    def runs(self, due: Sequence[Probe], context: StepContext) -> list[Probe]:
        """Those of the due probes that run now, and those that were put off before."""
        for name, sentence in self.ask(due, context).items():
            self._say(f"{name}: {sentence}")
        if not self.waits(context.step):
            return [probe for probe in due if probe not in self._waiting]
        waiting, self._waiting = self._waiting, []
        return [*due, *(probe for probe in waiting if probe not in due)]

    def _asked(self, probe: Probe, context: StepContext) -> str:
        self._unknown.discard(probe.name)
        seconds = cast(Any, probe).price(context)
        self._budget.expect(probe.name, seconds)
        early = context.step < self._start + AFTER and self._budget.share is None
        late = early and self._at_first + seconds > MUCH
        if late:
            self._waiting.append(probe)
        else:
            self._at_first += seconds
        if seconds <= MUCH and not late:
            return ""
        return f"one run takes about {seconds:.2g} s, by a small trial" + self._consequence(late)

    def _consequence(self, late: bool) -> str:
        if self._budget.share is not None:
            return f"; the budget of {self._budget.share:.0%} holds for the first one too"
        first = f"; the first one comes after step {self._start + AFTER}" if late else ""
        return f"{first}; to wait less: every=..., or budget=0.05"
