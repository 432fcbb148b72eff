"""The monitor: counts steps, measures when a probe is due, and hands the rest to a worker thread."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from htmu_diag.analysis import StepRecord
from htmu_diag.arguments import Rule, checked, optional, whole
from htmu_diag.counting.counter import StepCounter
from htmu_diag.errors import InputError
from htmu_diag.monitor.at_exit import AtExit
from htmu_diag.monitor.measuring import Measuring
from htmu_diag.monitor.plan import Plan
from htmu_diag.probes import Budget, StepContext
from htmu_diag.probes.copies import own
from htmu_diag.probes.temperature import Temperature
from htmu_diag.ranks.team import Team
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.one_of_a_kind import OneOfAKind
from htmu_diag.recording.prices import Prices
from htmu_diag.recording.recorder import Recorder
from htmu_diag.recording.worker import Worker, places
from htmu_diag.voice.notices import Notices
from htmu_diag.voice.voice import Voice
from htmu_diag.warned import warn

__all__ = ["Monitor"]

_SCALARS = Rule(
    'numbers by their names, as {"train/loss": 1.0}',
    lambda value: isinstance(value, Mapping) and all(isinstance(tag, str) for tag in value),
)
_STEP = optional(whole(0, 2**62))


class Monitor(OneOfAKind):
    """Watches one model while it trains; made by `htmu_diag.watch`, which documents the choices.

    It changes nothing in the training: no hook on the model, no change of any random generator, gradient or buffer.
    ``close()`` (also at the end of a ``with`` block and of the process) finishes what is under way.
    """

    def __init__(
        self,
        context: StepContext,
        plan: Plan,
        recorder: Recorder,
        *,
        team: Team,
        budget: Budget,
        complaints: Complaints,
        optimizers: Sequence[torch.optim.Optimizer] = (),
        temperature: Temperature | None = None,
        voice: Voice | None = None,
        begin: Callable[[Mapping[str, str]], object] = lambda _: None,
    ) -> None:
        self._voice = voice or Voice(Path(), speaks=False)
        self._plan, self._recorder, self._team, self._budget = plan, recorder, team, budget
        self._complaints, self._manual, self._closed, self._process = complaints, False, False, os.getpid()
        self._worker = Worker(partial(complaints.add, "monitor"), places(context.model), on_wait=recorder.begin)
        self._counter = StepCounter(
            context.model,
            context.optimizer,
            start=context.step,
            on_step=self._after_step,
            might_be_due=lambda step: self._measuring.observes or bool(plan.due(step)) or self._prices.waits(step),
            members=optimizers,
            on_begin=lambda: self._notices.begins(),
        )
        self._notices = Notices(context.model, self._counter, self._say, _warn)
        self._prices = Prices(plan.priced, budget, context.step, self._say, alone=team.share.world == 1)
        self._measuring = Measuring(
            context,
            plan,
            recorder,
            self._worker,
            team=team,
            budget=budget,
            complaints=complaints,
            temperature=temperature or Temperature(context.optimizer, None, context.step),
            notices=self._notices,
            ended=lambda: self._closed,
        )
        self._ending = AtExit(self)
        with contextlib.ExitStack() as if_it_fails:
            if_it_fails.callback(self.close)
            self._begin(context.step, begin)
            self._after_step(context.step)
            if_it_fails.pop_all()

    @property
    def records(self) -> tuple[StepRecord, ...]:
        """The newest diagnosed steps, at most eight; all of them are in the store (`htmu_diag.load_run`)."""
        return tuple(self._recorder.records)

    @property
    def last(self) -> StepRecord | None:
        """The newest diagnosed step; None before the first one is ready, and on ranks that do not write."""
        return self._recorder.records[-1] if self._recorder.records else None

    @property
    def steps_taken(self) -> int:
        """Real optimizer steps so far."""
        return self._counter.step

    @property
    def closed(self) -> bool:
        """Whether ``close()`` was called."""
        return self._closed

    @checked(step=_STEP)
    def step(self, step: int | None = None) -> None:
        """Count a step by hand: ``step`` steps are taken now, or one more. From then on only these calls count.

        Raises InputError for a step that goes back.
        """
        self._require_open()
        self._counter.remove()
        now = self._counter.step
        counted_already = self._counter.fired and not self._manual
        taken = step if step is not None else now if counted_already else now + 1
        if taken < now:
            raise InputError(f"step {taken} comes after step {now}; to resume, pass start_step to watch()")
        self._manual = True
        self._counter.set(taken)
        self._after_step(taken)

    @checked(scalars=_SCALARS, step=_STEP)
    def log(self, scalars: Mapping[str, float | torch.Tensor], step: int | None = None) -> None:
        """Numbers of the training ("train/loss": loss) for the sinks and the store. Tensors are read off the training
        thread, so nothing waits for a GPU. Raises InputError when closed."""
        self._require_open()
        kept = {
            tag: own(value.detach().clone()) if isinstance(value, torch.Tensor) else value
            for tag, value in scalars.items()
        }
        self._notices.look()
        at = self._counter.step if step is None else step
        self._worker.submit(partial(self._recorder.log, at, kept, time.time()))

    def snapshot(self) -> StepRecord | None:
        """Measure with every probe now (those that have not measured at this step) and wait for the result."""
        self._require_open()
        step = self._counter.step
        self._measuring.measure(step, self._measuring.missing(self._plan.probes, step))
        self.flush()
        return self.last

    def flush(self) -> None:
        """Wait until everything measured so far is stored and shown; say what went wrong. Harmless when closed."""
        if not self._closed:
            self._counter.finish()
            self._worker.wait()
            self._recorder.wait()
            self._complaints.say()

    def close(self) -> None:
        """Finish what is under way, remove the hook, close the store and the sinks. Harmless when called twice."""
        self._close(self._complaints.say_last)

    def _close(self, say_last: Callable[[], None]) -> None:
        if self._closed or self._is_a_copy():
            return
        with self._complaints.containing("monitor", []):
            self._counter.finish()
        self._closed = True
        self._recorder.hurry()
        with contextlib.ExitStack() as ends:  # each of them, in the reverse order, whatever becomes of the others
            ends.callback(say_last)
            ends.callback(self._say_the_end)
            ends.callback(self._ending.cancel)
            ends.callback(self._team.close)
            ends.callback(self._saying, "writing what is left", self._recorder.close)
            ends.callback(self._say_what_was_passed_over)
            ends.callback(self._saying, "diagnosing what was measured", self._worker.close)
            ends.callback(self._end_probes)
            ends.callback(self._counter.remove)
            ends.callback(self._notices.last, counted=self._manual)

    def _end_probes(self) -> None:
        for name, close in self._plan.ends.items():
            with self._complaints.containing(name, []):
                close()

    def _saying(self, what: str, call: Callable[[], None]) -> None:
        with self._voice.during(what):
            call()

    def _say_the_end(self) -> None:
        self._voice.end(self._recorder.records, self._recorder.measured, self._recorder.measured_at, self._counter.step)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        """Errors of the training come first: those of the monitor are then warned about, also where strict."""
        self._close(partial(self._complaints.say_last, raising=error is None))

    def _say_what_was_passed_over(self) -> None:
        unsaid = [sentence for probe in self._plan.probes for sentence in self._budget.pop_skipped(probe.name)]
        unsaid += self._prices.never_run
        if unsaid and self._team.share.rank == 0:
            self._recorder.say(self._counter.step, unsaid, time.time())

    def _begin(self, step: int, begin: Callable[[Mapping[str, str]], object]) -> None:
        """What is measured, and the prices of what is due now, which are kept with the run."""
        begin(prices := self._measuring.prices(step, self._plan.due(step), self._prices))
        for name, sentence in prices.items():
            self._keep(f"{name}: {sentence}")

    def _say(self, sentence: str) -> None:
        """Said once, and kept with the run."""
        _warn(sentence)
        self._keep(sentence)

    def _keep(self, sentence: str) -> None:
        if self._team.share.rank == 0:
            self._worker.submit(partial(self._recorder.say, self._counter.step, [sentence], time.time()))

    def _is_a_copy(self) -> bool:
        """In a forked child: the run, its files and its worker belong to the parent."""
        return os.getpid() != self._process

    def _require_open(self) -> None:
        if self._closed:
            raise InputError("this monitor is closed; call watch() again, with start_step to continue the same run")

    def _after_step(self, step: int) -> None:
        if self._is_a_copy():
            return
        self._notices.stepped()
        self._measuring.observe(step)
        due = self._measuring.missing(self._plan.due(step), step)
        if due or self._prices.waits(step):
            due = self._measuring.missing(self._measuring.priced(step, due, self._prices), step)
        if due:
            self._measuring.measure(step, [probe for probe in due if self._budget.affords(probe.name, step)])
            self._notices.behind(*self._recorder.behind)
        self._complaints.say()


def _warn(sentence: str) -> None:
    warn(f"htmu_diag: {sentence}")
