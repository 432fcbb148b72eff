"""The monitor: counts steps, measures when a probe is due, and hands the rest to a worker thread."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import torch

from htmu_diag.analysis import StepRecord
from htmu_diag.counting.counter import StepCounter
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.wrappers import is_sharded
from htmu_diag.monitor.at_exit import AtExit
from htmu_diag.monitor.notices import Notices
from htmu_diag.monitor.plan import Plan
from htmu_diag.monitor.sigint import Interrupts
from htmu_diag.probes import Budget, ObservingProbe, Probe, SharedProbe, StepContext, quiet
from htmu_diag.probes.copies import own
from htmu_diag.probes.temperature import Temperature
from htmu_diag.ranks.team import Part, Team
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.recorder import Measured, Recorder
from htmu_diag.recording.worker import Worker

__all__ = ["Monitor"]


class Monitor:
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
    ) -> None:
        self._temperature = temperature or Temperature(context.optimizer, None, context.step)
        self._context, self._plan, self._recorder = context, plan, recorder
        self._team, self._budget, self._complaints = team, budget, complaints
        self._observers = [cast(ObservingProbe, probe) for probe in plan.probes if plan.declared[probe.name].observes]
        self._said: dict[str, list[str]] = {probe.name: [] for probe in plan.probes}
        self._measured_at: dict[str, int] = {}
        self._manual = self._closed = False
        self._process = os.getpid()
        self._worker = Worker(on_error=partial(complaints.add, "monitor"))
        self._counter = StepCounter(
            context.model,
            context.optimizer,
            start=context.step,
            on_step=self._after_step,
            might_be_due=lambda step: bool(self._observers or plan.due(step)),
            members=optimizers,
        )
        self._notices = Notices(context.model, self._counter, self._remark, _warn)
        self._ending = AtExit(self)
        with contextlib.ExitStack() as if_it_fails:
            if_it_fails.callback(self.close)
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
        self._measure(step, [probe for probe in self._plan.probes if self._measured_at.get(probe.name) != step])
        self.flush()
        return self.last

    def flush(self) -> None:
        """Wait until everything measured so far is stored and shown; tell what went wrong. Harmless when closed."""
        if not self._closed:
            self._counter.finish()
            self._worker.wait()
            self._complaints.tell()

    def close(self) -> None:
        """Finish what is under way, remove the hook, close the store and the sinks. Harmless when called twice."""
        self._close(self._complaints.tell_last)

    def _close(self, tell: Callable[[], None]) -> None:
        if self._closed or self._is_a_copy():
            return
        with self._complaints.containing("monitor", []):
            self._counter.finish()
        self._closed = True
        self._recorder.hurry()
        with contextlib.ExitStack() as ends:  # each of them, in the reverse order, whatever becomes of the others
            ends.callback(tell)
            ends.callback(self._ending.cancel)
            ends.callback(self._team.close)
            ends.callback(self._recorder.close)
            ends.callback(self._note_what_was_passed_over)
            ends.callback(self._worker.close)
            ends.callback(self._counter.remove)
            ends.callback(self._notices.last, counted=self._manual)

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        """Errors of the training come first: those of the monitor are then warned about, also where strict."""
        self._close(self._complaints.tell_last if error is None else self._complaints.warn_last)

    def _note_what_was_passed_over(self) -> None:
        untold = [sentence for probe in self._plan.probes for sentence in self._budget.told(probe.name)]
        if untold and self._team.share.rank == 0:
            self._recorder.note(self._counter.step, untold, time.time())

    def _remark(self, sentence: str) -> None:
        """Said once, and kept with the run."""
        _warn(sentence)
        if self._team.share.rank == 0:
            self._worker.submit(partial(self._recorder.note, self._counter.step, [sentence], time.time()))

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
        if self._observers:
            self._observe(step)
        due = [probe for probe in self._plan.due(step) if self._measured_at.get(probe.name) != step]
        if due:
            self._measure(step, [probe for probe in due if self._budget.affords(probe.name, step)])
        self._complaints.tell()

    def _observe(self, step: int) -> None:
        began = time.perf_counter()
        with Interrupts():
            for probe in self._observers:
                with self._complaints.containing(probe.name, []), torch.no_grad():
                    probe.observe(self._at(step, probe))
        self._budget.note(time.perf_counter() - began)

    def _measure(self, step: int, probes: Iterable[Probe]) -> None:
        wanted = {probe.name: probe for probe in probes}
        agreed: list[Probe] = []
        with self._complaints.containing("ranks", []):
            agreed = [wanted[name] for name in self._team.agree(step, list(wanted)) if name in wanted]
        for name in wanted.keys() - {probe.name for probe in agreed}:
            self._budget.withdraw(name)
        if not agreed:
            return
        measured = Measured(step, time.time(), tuple(probe.name for probe in agreed))
        measured.scalars |= self._temperature.numbers(step)
        with Interrupts() as interrupts, contextlib.ExitStack() as if_it_fails:
            for name in measured.probes:
                if_it_fails.callback(self._budget.withdraw, name)
            began = time.perf_counter()
            while not self._worker.reserve(seconds=0.1):
                interrupts.pass_on()
            self._notices.waited(time.perf_counter() - began)
            if_it_fails.callback(self._worker.release)
            if_it_fails.callback(self._send_nothing, step)
            with self._complaints.containing("ranks", measured.events), interrupts.allowed():
                self._team.follow_first(step, "place")
            with self._complaints.containing("monitor", measured.events), quiet(*self._context.modules):
                for probe in agreed:
                    self._run(probe, measured, interrupts)
            if self._closed:  # by a handler of the user's that ran inside a measurement
                return
            if_it_fails.pop_all()
            self._worker.submit_reserved(partial(self._recorder.record, measured))

    def _run(self, probe: Probe, measured: Measured, interrupts: Interrupts) -> None:
        """One probe; what it found before it failed is kept."""
        began = time.perf_counter()
        measured.events += self._budget.told(probe.name)
        self._measured_at[probe.name] = measured.step
        context, runs = self._at(measured.step, probe), self._plan.declared[probe.name].runs
        with self._complaints.containing(probe.name, measured.events), interrupts.allowed():
            if runs == "shared":
                with torch.no_grad():
                    captured = cast(SharedProbe, probe).capture(context)
                    measured.items += [(probe.name, item.order, item) for item in captured]
            elif runs == "together":
                _refuse_shards(context.model)
                with self._team.together() as group:
                    self._collect(probe, replace(context, group=group), measured)
            else:
                self._run_on_first(probe, context, measured)
        said, self._said[probe.name] = self._said[probe.name], []
        if self._team.share.rank == 0:
            measured.events += said
        measured.seconds[probe.name] = time.perf_counter() - began

    def _run_on_first(self, probe: Probe, context: StepContext, measured: Measured) -> None:
        try:
            if self._team.share.rank == 0:
                _refuse_shards(context.model)
                self._collect(probe, context, measured)
        finally:
            self._team.follow_first(measured.step, probe.name)

    def _send_nothing(self, step: int) -> None:
        """Rank 0 need not wait for the part of a rank that left the snapshot."""
        if self._team.share.rank:
            self._team.collect(step, Part((), ()))

    def _collect(self, probe: Probe, context: StepContext, measured: Measured) -> None:
        for order, spectrum in enumerate(probe.measure(context)):
            if self._team.share.rank == 0:
                measured.items.append((probe.name, order, spectrum.at_step(measured.step)))

    def _at(self, step: int, probe: Probe) -> StepContext:
        return replace(self._context, step=step, say=self._said[probe.name].append)


def _warn(sentence: str) -> None:
    warnings.warn(f"htmu_diag: {sentence}", RuntimeWarning, stacklevel=4)


def _refuse_shards(model: torch.nn.Module) -> None:
    """Products with a sharded model are collective, and this probe runs on one rank."""
    if is_sharded(model):
        raise MeasurementError("it needs whole parameters, and this model's are sharded; measure a replicated model")
