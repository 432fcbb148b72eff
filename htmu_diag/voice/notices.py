"""What a training does that its user should hear of once: uneven optimizers, and parameters that nobody counted."""

from __future__ import annotations

from collections.abc import Callable

import torch

from htmu_diag.counting.counter import StepCounter
from htmu_diag.counting.uncounted import BETWEEN, REMEDY, Fingerprint
from htmu_diag.model.streams import MOVED

__all__ = ["Notices"]

LONG_WAIT = 1.0  # seconds
MANY_STEPS = 8  # stored and not diagnosed yet
FIRST = 32  # steps after which the weights are looked at


class Notices:
    """Looks now and then, cheaply, and says each thing once.

    say: takes the sentence, on the training thread, to be kept with the run. warn: one that only matters now.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        counter: StepCounter,
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._counter, self._say, self._warn = counter, say, warn
        self._model, self._start = model, Fingerprint(model)
        self._left: Fingerprint | None = None  # as the last step left the weights
        self._last: Fingerprint | None = None  # the last for which the model was asked
        self._moved: list[list[torch.Tensor]] = []  # since then, of each step that was looked at and not read yet
        self._looks = self._steps = self._between = 0
        self._said_uncounted = self._said_uneven = self._said_waiting = self._said_behind = self._said_moved = False

    def look(self) -> None:
        """At a call of the user's that comes with every step or so: after 10, 100, 1000 ... of them."""
        self._looks += 1
        if not self._counter.fired and self._looks in (10, 100, 1000, 10_000):
            self._uncounted()

    def stepped(self) -> None:
        """After a counted step."""
        rounds = self._counter.rounds
        self._steps += self._counter.fired
        looks = 0 < self._steps <= FIRST and self._between < 2 and not rounds.several and not _in_a_job()
        self._left = self._fingerprint() if looks else None
        if rounds.uneven and not self._said_uneven:
            self._said_uneven = True
            self._say(
                "several optimizers train this model, and not in equal numbers: the steps of one of them count "
                f"({self._counter.leader}), and a snapshot shows the model before the next round; watch each part "
                "of the model with its own optimizer for an axis each, or say which one counts: watch(model, optimizer)"
            )

    def _fingerprint(self) -> Fingerprint:
        """The model is asked for its parameters after 1, 2, 4, 8 ... steps: it may have been given others."""
        if self._last is None or self._steps & (self._steps - 1) == 0:
            self._last = Fingerprint(self._model)
            return self._last
        return self._last.again()

    def begins(self) -> None:
        """Before a step. What a device has found is read once, after all looks: a read waits for the device."""
        if self._left is None:
            return
        self._moved.append(self._left.moved())
        if self._left.on_host or self._steps >= FIRST:
            self._read()
        self._left = None

    def _read(self) -> None:
        """Said at the second change, since weights may be put back to earlier ones once."""
        before, changes = self._between, [any(map(bool, each)) for each in self._moved]
        self._between += sum(changes)
        self._moved.clear()
        if before < 2 <= self._between:
            self._say(BETWEEN)

    def waited(self, seconds: float) -> None:
        """The training stood still for snapshots under way."""
        if seconds > LONG_WAIT and not self._said_waiting:
            self._said_waiting = True
            self._warn(
                f"the training waited {seconds:.1f} s for earlier snapshots, and will again: they take longer than the "
                "time between them; measure less often (every=...), less (include=..., probes=...), or pass budget=0.05"
            )

    def moved(self, iterators: str) -> None:
        """A measurement drew from iterators of the model's or the loss's; empty where it did not."""
        if iterators and not self._said_moved:
            self._said_moved = True
            self._say(MOVED.format(iterators))

    def behind(self, steps: int, seconds: float) -> None:
        """Diagnosing lags. steps: that are stored and not diagnosed. seconds: for how long the oldest has waited."""
        if steps > MANY_STEPS and seconds > LONG_WAIT and not self._said_behind:
            self._said_behind = True
            self._warn(
                "diagnosing takes longer than the time between snapshots: spectra are stored at once and diagnosed "
                f"when there is time ({steps} steps wait now), at the end or by `htmu show`; the training does not wait"
            )

    def last(self, *, counted: bool) -> None:
        """At the end. counted: whether steps were counted by hand."""
        self._read()
        if not self._counter.fired and not counted:
            self._uncounted()

    def _uncounted(self) -> None:
        if not self._said_uncounted and self._start.changed:
            self._said_uncounted = True
            self._say(REMEDY)


def _in_a_job() -> bool:
    """Whether other processes send their part of a step."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()
