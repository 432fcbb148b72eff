"""What happens at a step that is due, on the training thread: probes run, the model is left as found, the rest is
handed on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import cast

import torch

from htmu_diag.errors import MeasurementError
from htmu_diag.model.sigint import Interrupts
from htmu_diag.model.streams import Streams
from htmu_diag.model.wrappers import require_whole
from htmu_diag.monitor.plan import Plan
from htmu_diag.probes import Budget, ObservingProbe, Probe, SharedProbe, StepContext, left_as_found, quiet
from htmu_diag.probes.temperature import Temperature
from htmu_diag.ranks.team import Part, Team
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.prices import Prices
from htmu_diag.recording.recorder import Measured, Recorder
from htmu_diag.recording.worker import Worker
from htmu_diag.spectrum import Spectrum
from htmu_diag.voice.notices import Notices

__all__ = ["Measuring"]


class Measuring:
    """Runs the probes of one plan; what they leave goes to the recorder, on the worker thread.

    notices: told how long the training stood still for earlier snapshots, and which iterators of the model's a
    measurement moved. ended: whether the run is closed.
    """

    def __init__(
        self,
        context: StepContext,
        plan: Plan,
        recorder: Recorder,
        worker: Worker,
        *,
        team: Team,
        budget: Budget,
        complaints: Complaints,
        temperature: Temperature,
        notices: Notices,
        ended: Callable[[], bool],
    ) -> None:
        self._context, self._plan, self._recorder, self._worker = context, plan, recorder, worker
        self._team, self._budget, self._complaints = team, budget, complaints
        self._temperature, self._notices, self._ended = temperature, notices, ended
        self._observers = [cast(ObservingProbe, probe) for probe in plan.probes if plan.declared[probe.name].observes]
        self._said: dict[str, list[str]] = {probe.name: [] for probe in plan.probes}
        self._measured_at: dict[str, int] = {}

    @property
    def observes(self) -> bool:
        """Whether some probe looks at every step."""
        return bool(self._observers)

    def missing(self, probes: Iterable[Probe], step: int) -> list[Probe]:
        """Those that have not run at this step."""
        return [probe for probe in probes if self._measured_at.get(probe.name) != step]

    def observe(self, step: int) -> None:
        """Let the probes look that look at every step."""
        if not self._observers:
            return
        began = time.perf_counter()
        with Interrupts():
            for probe in self._observers:
                with self._complaints.containing(probe.name, []), torch.no_grad():
                    probe.observe(self._at(step, probe))
        self._budget.overhead(time.perf_counter() - began)

    def prices(self, step: int, due: list[Probe], prices: Prices) -> dict[str, str]:
        """What is to be said of the due probes that are dear, before the first one runs; the model is left as found."""
        said: dict[str, str] = {}
        if prices.to_decide(due):
            with Interrupts(), self._complaints.containing("monitor", []), quiet(*self._context.modules):
                said = prices.ask(due, self._context.at(step))
        return said

    def priced(self, step: int, due: list[Probe], prices: Prices) -> list[Probe]:
        """The due probes that run now, all where a price cannot be had; the model is left as found."""
        if not prices.to_decide(due):
            return due
        found = due
        with (
            Interrupts(),
            self._complaints.containing("monitor", []),
            quiet(*self._context.modules, loss_fn=self._context.loss_fn),
        ):
            found = prices.runs(due, self._context.at(step))
        return found

    def measure(self, step: int, probes: Iterable[Probe]) -> None:
        """Run those that all ranks agree on; waits for a place among the snapshots under way."""
        agreed = self._agreed(step, {probe.name: probe for probe in probes})
        if not agreed:
            return
        measured = Measured(step, time.time(), tuple(probe.name for probe in agreed))
        measured.scalars |= self._temperature.numbers(step)
        with Interrupts() as interrupts, contextlib.ExitStack() as if_it_fails:
            for name in measured.probes:
                if_it_fails.callback(self._budget.withdraw, name)
            self._reserve(interrupts)
            if_it_fails.callback(self._worker.release)
            if_it_fails.callback(self._send_nothing, step)
            with self._complaints.containing("ranks", measured.events), interrupts.allowed():
                self._team.follow_first(step, "place")
            streams = Streams(self._context.modules if self._context.batch else (), self._context.loss_fn)
            with (
                self._complaints.containing("monitor", measured.events),
                left_as_found(agreed, self._context.at(step)),
            ):
                for probe in agreed:
                    self._run(probe, measured, interrupts)
            self._notices.moved(streams.moved)
            if self._ended():  # by a handler of the user's that ran inside a measurement
                return
            if_it_fails.pop_all()
            self._worker.submit_reserved(partial(self._recorder.record, measured), measured.expected)

    def _agreed(self, step: int, wanted: dict[str, Probe]) -> list[Probe]:
        agreed: list[Probe] = []
        with self._complaints.containing("ranks", []):
            agreed = [wanted[name] for name in self._team.agree(step, list(wanted)) if name in wanted]
        for name in wanted.keys() - {probe.name for probe in agreed}:
            self._budget.withdraw(name)
        return agreed

    def _reserve(self, interrupts: Interrupts) -> None:
        began = time.perf_counter()
        while not self._worker.reserve(seconds=0.1):
            interrupts.pass_on()
        self._notices.waited(time.perf_counter() - began)

    def _run(self, probe: Probe, measured: Measured, interrupts: Interrupts) -> None:
        """One probe; what it found before it failed is kept."""
        began = time.perf_counter()
        measured.events += self._budget.pop_skipped(probe.name)
        self._measured_at[probe.name] = measured.step
        context, runs = self._at(measured.step, probe), self._plan.declared[probe.name].runs
        with self._complaints.containing(probe.name, measured.events), interrupts.allowed():
            if runs == "shared":
                with torch.no_grad():
                    captured = cast(SharedProbe, probe).capture(context)
                    measured.items += [(probe.name, item.order, item) for item in captured]
            elif runs == "together":
                require_whole(context.model)
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
                require_whole(context.model)
                before = len(measured.items)
                self._collect(probe, context, measured)
                if len(measured.items) == before and not self._said[probe.name]:
                    context.say(f"{probe.name}: gave no spectrum")
        finally:
            self._team.follow_first(measured.step, probe.name)

    def _send_nothing(self, step: int) -> None:
        """Rank 0 need not wait for the part of a rank that left the snapshot."""
        if self._team.share.rank:
            self._team.collect(step, Part((), ()))

    def _collect(self, probe: Probe, context: StepContext, measured: Measured) -> None:
        for order, spectrum in enumerate(probe.measure(context)):
            if not isinstance(spectrum, Spectrum):
                raise MeasurementError(f"measure yields {type(spectrum).__name__}; yield an htmu_diag.Spectrum")
            if self._team.share.rank == 0:
                measured.items.append((probe.name, order, spectrum.at_step(measured.step)))

    def _at(self, step: int, probe: Probe) -> StepContext:
        return replace(self._context, step=step, say=self._said[probe.name].append)
