"""What happens to a snapshot off the training thread: computed, stored, diagnosed, given to the sinks, in that order.

Stored first: the spectra are on disk before anything is fitted to them, so that a better fit next year can be run on
this year's training. And fits may lag: they have a thread of their own (`backlog`), which keeps the order of the steps.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from htmu_diag.analysis import QUANTITIES, Diagnoser, Diagnosis, Options, Reading, StepRecord, batches
from htmu_diag.beside import STARTS_AFTER
from htmu_diag.errors import InputError
from htmu_diag.probes import Budget
from htmu_diag.probes.copies import Copy
from htmu_diag.ranks.team import Found, Part, Team
from htmu_diag.recording.backlog import Backlog, Held
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.computing import Computing
from htmu_diag.recording.decomposer import Decomposer
from htmu_diag.recording.garbage import collect_once
from htmu_diag.recording.measured import Measured
from htmu_diag.recording.sentences import put_off, undeclared
from htmu_diag.sinks import PageSink, Sink
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage import Store
from htmu_diag.warned import warn

__all__ = ["Measured", "Recorder"]

KEPT_RECORDS = 8  # a record holds its spectra: the store keeps them all, memory only the newest
LONG_QUEUE = 8  # spectra that wait: with the first use of laws at their shapes half a second, `diagnoser.PATIENCE`


class Recorder:
    """Store, diagnosis and sinks behind one door.

    Measured steps, numbers and sentences are taken on the worker thread, opened and closed on the training's.
    """

    def __init__(
        self,
        store: Store | None,
        sinks: Sequence[Sink],
        options: Options | None,
        team: Team,
        complaints: Complaints,
        budget: Budget,
    ) -> None:
        self._store, self._sinks = store, list(sinks)
        self._options = options or Options()
        self._diagnose = Diagnoser(options, on_end=partial(complaints.add, "diagnosis"), drawn=bool(sinks))
        for sink in self._sinks:
            if isinstance(sink, PageSink):
                sink.calls = self._diagnose.call
        self._team, self._complaints, self._budget = team, complaints, budget
        self._decompose = Decomposer(partial(complaints.add, "decomposing"))
        self._compute = Computing(complaints, self._decompose)
        self._backlog = Backlog(partial(complaints.add, "diagnosis"))
        self._left: list[int] = []  # steps whose spectra are stored, for which there was no time at the end
        self._told: set[tuple[str, str]] = set()  # (probe, number) that no table knows
        self.records: deque[StepRecord] = deque(maxlen=KEPT_RECORDS)
        self.measured, self.measured_at = 0, 0  # snapshots written, and the step of the newest

    def open(self, run: Mapping[str, Any], start_step: int) -> None:
        """Begin or resume; a sink that cannot be opened is left out, with a warning."""
        opened = []
        for sink in self._sinks:
            with self._complaints.containing(f"sink {type(sink).__name__}", []):
                sink.open(run, start_step=start_step)
                opened.append(sink)
        self._sinks = opened
        collect_once()
        for process in (self._decompose, self._diagnose):
            process.put_off(STARTS_AFTER)

    def record(self, measured: Measured) -> float:
        """Compute and store a snapshot; it is diagnosed when its turn comes. CPU seconds that computing took."""
        began, before, cpu = time.perf_counter(), sum(measured.seconds.values()), time.thread_time()
        beside = measured.expected
        found = self._compute(measured)
        cpu = time.thread_time() - cpu + (beside if self._decompose.beside else 0.0)
        parts = self._team.collect(measured.step, Part(tuple(found), tuple(measured.events)))
        if parts:
            self._store_and_queue(measured, parts)
        else:
            self._spent(measured)
        of_probes = sum(measured.seconds.values()) - before
        self._budget.overhead(time.perf_counter() - began - of_probes)
        return cpu

    @property
    def behind(self) -> tuple[int, float]:
        """Steps that are stored and not diagnosed yet, and for how many seconds the oldest has been waiting."""
        return self._backlog.steps, self._backlog.seconds

    def begin(self) -> None:
        """From any thread: somebody waits for a snapshot, so no process is put off any more."""
        self._decompose.begin()
        self._diagnose.begin()

    def wait(self) -> None:
        """Until everything stored so far is diagnosed and shown."""
        late = self._backlog.steps > 0
        if late:
            self._diagnose.awaited(True)
        self._backlog.wait()
        if late:
            self._diagnose.awaited(False)

    def log(self, step: int, scalars: Mapping[str, Any], wall_time: float) -> None:
        """Numbers of the training, between snapshots; a value that is none costs itself."""
        numbers: dict[str, float] = {}
        for tag, value in scalars.items():
            with self._complaints.containing(f"log of {tag!r}", []):
                numbers[tag] = _number(value)
        if self._store:
            with self._complaints.containing("store", []):
                self._store.log(step, numbers, wall_time=wall_time)
        self._backlog.submit(partial(self._emit, StepRecord(step, wall_time, scalars=numbers)))

    def say(self, step: int, events: Sequence[str], wall_time: float) -> None:
        """Sentences without a measurement."""
        if self._store:
            with self._complaints.containing("store", []):
                self._store.log(step, {}, wall_time=wall_time, events=events)
        self._backlog.submit(partial(self._emit, StepRecord(step, wall_time, events=tuple(events))))

    def hurry(self) -> None:
        """From any thread: the run is being closed, so nothing may hang."""
        self._backlog.hurry()
        self._decompose.hurry()
        self._diagnose.hurry()
        self._team.hurry()

    def close(self) -> None:
        """Diagnose what waits, within a limit; what is left then is told, and stays in the store."""
        self._decompose.close()
        self._backlog.close()
        self._diagnose.close()
        if self._left:
            warn(f"htmu_diag: {put_off(self._left, self._store)}")
            self._left = []
        for sink in self._sinks:
            with self._complaints.containing(f"sink {type(sink).__name__}", []):
                sink.close()
        if self._store:
            self._store.close()

    def _store_and_queue(self, measured: Measured, parts: Sequence[Part]) -> None:
        places = {probe: place for place, probe in enumerate(measured.probes)}
        found = sorted((f for part in parts for f in part.found), key=lambda f: (places[f.probe], f.order))
        events = [event for part in parts for event in part.events]
        events += [self._complaints.add("a rank", part.error) for part in parts if part.error]
        events += self._unknown(found)
        stored = False
        if self._store:
            with self._complaints.containing("store", events):
                spectra = [f.spectrum for f in found]
                self._store.write(
                    measured.step, spectra, wall_time=measured.wall_time, scalars=measured.scalars, events=events
                )
                stored = True
        if self._backlog.spectra + len(found) >= LONG_QUEUE:
            self._diagnose.hasten()
        held = Held(measured.step, found)
        self._backlog.add(held, partial(self._finish, measured, held, events), stored=stored)

    def _finish(self, measured: Measured, held: Held, events: list[str]) -> None:
        """Diagnose and show a step, whose spectra are stored."""
        diagnoses: list[Diagnosis] = []
        with self._complaints.containing("store", events):
            for probe, spectra in _by_probe(held.read(self._store.directory if self._store else None)):
                if self._backlog.is_over:
                    self._left.append(measured.step)
                    break
                diagnoses += self._diagnosed(probe, spectra, measured, events)
        self._keep_numbers(measured, diagnoses, events)
        record = StepRecord(
            measured.step, measured.wall_time, tuple(diagnoses), scalars=measured.scalars, events=tuple(events)
        )
        if diagnoses or measured.step not in self._left:
            self.records.append(record)
        self.measured, self.measured_at = self.measured + 1, measured.step
        self._emit(record)
        self._spent(measured)

    def _spent(self, measured: Measured) -> None:
        for probe in measured.probes:
            self._budget.spend(probe, measured.seconds.get(probe, 0.0))

    def _unknown(self, found: Sequence[Found]) -> list[str]:
        """One sentence, once in a run, for each number that no table knows: it has no curve; the others have theirs."""
        names = {(f.probe, name) for f in found for name in f.spectrum.scalars if name not in QUANTITIES}
        new, self._told = sorted(names - self._told), self._told | names
        return [
            self._complaints.add(f"{probe} number {name}", InputError(undeclared(probe, name))) for probe, name in new
        ]

    def _keep_numbers(self, measured: Measured, diagnoses: Sequence[Diagnosis], events: list[str]) -> None:
        if self._store and diagnoses:
            with self._complaints.containing("store", events):
                spectra, readings = [d.spectrum for d in diagnoses], [Reading.of(d) for d in diagnoses]
                self._store.write_numbers(measured.step, spectra, readings, self._options, wall_time=measured.wall_time)

    def _diagnosed(
        self, probe: str, spectra: Sequence[Spectrum], measured: Measured, events: list[str]
    ) -> list[Diagnosis]:
        began = time.perf_counter()
        diagnoses = []
        for spectrum, found in zip(spectra, self._diagnose.each(spectra), strict=True):
            with self._complaints.containing(f"diagnosis of {spectrum.source.name}", events):
                if isinstance(found, Exception):
                    raise found
                diagnoses.append(found)
        measured.spent(probe, time.perf_counter() - began)
        return diagnoses

    def _emit(self, record: StepRecord) -> None:
        for sink in self._sinks:
            with self._complaints.containing(f"sink {type(sink).__name__}", []):
                sink.write(record)


def _by_probe(found: Sequence[Found]) -> Iterator[tuple[str, Sequence[Spectrum]]]:
    """Spectra of one probe that are diagnosed at once, in their order."""
    for probe, group in groupby(found, key=lambda one: one.probe):
        yield from ((probe, batch) for batch in batches([one.spectrum for one in group]))


def _number(value: Any) -> float:
    if not isinstance(value, Copy):
        return float(value)
    with value.usable() as tensor:
        return float(tensor)
