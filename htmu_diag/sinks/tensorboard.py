"""The TensorBoard sink: one event a step with all its numbers, in one run and one file.

What the Spectra page reads is a packed table and the densities (`sinks.packed`). Beside them, for TensorBoard's own
pages: scalars named ``<kind>_<quantity>/<layer>``, one group a quantity and one card a layer; averages under Custom
Scalars; hyperparameters; the last table, the configuration and what failed as texts; small pictures where they are
asked for.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tensorboard.compat.proto.summary_pb2 import Summary

from htmu_diag.analysis.record import StepRecord
from htmu_diag.analysis.summary import summarize
from htmu_diag.arguments import PATH, checked, either, instance, one_of, optional, whole
from htmu_diag.errors import InputError
from htmu_diag.report.tables import markdown_table
from htmu_diag.sinks.events import EventFile
from htmu_diag.sinks.hparams import add_experiment, add_session_end, add_session_start, flattened
from htmu_diag.sinks.layout import add_layout
from htmu_diag.sinks.packed import Packer
from htmu_diag.sinks.pictures import add_figures
from htmu_diag.sinks.resume import carried_at, without_renewed
from htmu_diag.sinks.scalars import Scalars, chosen, thinned
from htmu_diag.sinks.summaries import add_scalars, add_text

__all__ = ["TensorBoardSink"]

_COUNTS = ("_count",)  # model-level numbers that say nothing as a final metric
Pictures = int | Literal["log"] | None


class TensorBoardSink:
    """Writes records to an event file in a folder; `tensorboard --logdir` of it or of a folder above shows them.

    directory: created if it does not exist. Best a folder without other writers (a SummaryWriter): of two files that
        grow in one run, TensorBoard's Python loader (--load_fast=false) follows only the newer one.
    scalars: "few", the default, logs five numbers a layer one by one (`sinks.scalars.PER_LAYER`), the averages and the
        training's own; the rest is in the packed table, which the Spectra page, the store and JSON lines hold too. With
        more than 8 layers these five are logged at each of the first 64 measurements, at every second up to 128, every
        fourth up to 256 and so on, and at the last.
        "all" logs every number of every layer: some 30 tags a layer.
    figure_every: when a dozen spectra are drawn and the table is written as a text. None, the default: no pictures (the
        Spectra page draws every layer and step from the tensors), and the table at the last record, when the sink is
        closed; "log": at the first, second, fourth, eighth ... record, and at the last; n: at every n-th and the last;
        0: the last only.
    metrics: scalars whose last value the HParams page shows (also from "metrics" of the run's information), beside
        the model-level ones and those of the training that are logged before the second measurement.

    Raises StorageError where the folder cannot be written, InputError for steps that go back within a curve
    (TensorBoard would drop what was logged after them) and for choices that it does not know.
    """

    @checked(
        directory=PATH,
        scalars=one_of("few", "all"),
        figure_every=optional(either(one_of("log"), whole())),
        metrics=instance("a tuple of names", tuple, list),
    )
    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        scalars: Scalars = "few",
        figure_every: Pictures = None,
        metrics: tuple[str, ...] = (),
    ) -> None:
        self.directory = Path(os.path.abspath(directory))
        self._figure_every, self._metrics, self._scalars = figure_every, metrics, scalars
        self._events: EventFile | None = None
        self._packer = Packer()
        self._hparams: dict[str, Any] = {}
        self._final: dict[str, None] = {}  # scalars of the HParams page, in order
        self._start = 0
        self._last: dict[str, int] = {}  # tag of the training, or kind of spectrum -> its last step
        self._diagnosed = 0  # records with spectra so far
        self._undrawn: StepRecord | None = None
        self._thinned: tuple[StepRecord, dict[str, float]] | None = None  # scalars that the last record left out
        self._first = Summary()  # texts and hyperparameters, for the first event
        self._carried = Summary()  # of the step at which a resumed run starts

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        """Begin a new event file; what earlier ones hold after start_step disappears from the curves."""
        self.close()
        self._carried = carried_at(self.directory, start_step) if start_step else Summary()
        self._events, self._packer = EventFile(self.directory, start_step), Packer()
        self._start, self._last, self._diagnosed = start_step, {}, 0
        self._hparams = flattened(run.get("config") or {})
        self._final = dict.fromkeys([*self._metrics, *run.get("metrics", ())])
        summary = Summary()
        add_text(summary, "run/config", _markdown(run))
        if self._hparams:
            add_session_start(summary, self._hparams)
        self._first = summary

    def write(self, record: StepRecord) -> None:
        """Everything of one step in one event; pictures, where they are due, in another."""
        events = self._opened(record)
        summary = self._summary(record)
        if record.step == self._start:  # one event, so that a kill takes nothing of this step away
            summary.MergeFrom(self._beginning(summary))
        else:
            self._begin(events)
        events.add(summary, record.step, record.wall_time)
        self._first, self._carried = Summary(), Summary()
        if record.diagnoses:
            self._undrawn = record
            if self._is_due():
                self._draw(events)
            self._diagnosed += 1

    def close(self) -> None:
        """Draw the last record and mark the run as ended; harmless when called twice."""
        if self._events is None:
            return
        events, self._events = self._events, None
        self._begin(events)
        self._add_thinned(events)
        self._draw(events)
        if self._hparams:
            summary = Summary()
            if self._diagnosed < 2:
                add_experiment(summary, self._hparams, self._columns())
            add_session_end(summary)
            events.add(summary, max(self._last.values(), default=self._start), time.time())

    def _summary(self, record: StepRecord) -> Summary:
        summary = Summary()
        averages = summarize(record.diagnoses)
        self._add_scalars(summary, record, averages)
        self._packer.add(summary, record.diagnoses)
        if record.events:
            add_text(summary, "run/events", "\n\n".join(record.events))
        self._add_pages(summary, record, averages)
        return summary

    def _add_scalars(self, summary: Summary, record: StepRecord, averages: Mapping[str, float]) -> None:
        scalars = chosen(record, averages, self._scalars)
        if record.diagnoses:
            groups = frozenset() if self._scalars == "all" else thinned(record, self._diagnosed)
            left_out = {tag: value for tag, value in scalars.items() if tag.partition("/")[0] in groups}
            self._thinned = (record, left_out) if left_out else None
            scalars = {tag: value for tag, value in scalars.items() if tag not in left_out}
        add_scalars(summary, scalars)

    def _add_thinned(self, events: EventFile) -> None:
        """What the last record left out: a curve ends where the run ends."""
        if self._thinned is not None:
            summary = Summary()
            (record, left_out), self._thinned = self._thinned, None
            add_scalars(summary, left_out)
            events.add(summary, record.step, record.wall_time)

    def _add_pages(self, summary: Summary, record: StepRecord, averages: Mapping[str, float]) -> None:
        """Custom Scalars once the first record tells which layers there are; HParams with the second, when the training
        has logged its own numbers too. TensorBoard keeps the first description of a page, so it is written once."""
        final = [t for t in averages if not any(part in t for part in _COUNTS)]
        self._final |= dict.fromkeys([*final, *record.scalars])
        if record.diagnoses and self._diagnosed == 0:
            add_layout(summary, record)
        if record.diagnoses and self._diagnosed == 1 and self._hparams:
            add_experiment(summary, self._hparams, self._columns())

    def _columns(self) -> list[str]:
        """Final metrics, the training's own first: the page shows the first five unasked."""
        return sorted(self._final, key=lambda tag: tag.startswith("summary/"))

    def _is_due(self) -> bool:
        """Whether pictures of this record are wanted now; the last one is drawn in any case where any are."""
        if self._figure_every == "log":
            number = self._diagnosed + 1
            return number & (number - 1) == 0
        return bool(self._figure_every) and self._diagnosed % int(self._figure_every or 1) == 0

    def _begin(self, events: EventFile) -> None:
        events.add(self._beginning(Summary()), self._start, time.time())
        self._first, self._carried = Summary(), Summary()

    def _beginning(self, renewed: Summary) -> Summary:
        """Once: what a run begins with, and its start step's earlier numbers but for those that are measured again."""
        summary = Summary()
        summary.CopyFrom(self._first)
        summary.MergeFrom(without_renewed(self._carried, renewed))
        return summary

    def _draw(self, events: EventFile) -> None:
        record, self._undrawn = self._undrawn, None
        if record is not None:
            summary = Summary()
            add_text(summary, "run/table", markdown_table(record.diagnoses))
            if self._figure_every is not None:
                add_figures(summary, record)
            events.add(summary, record.step, record.wall_time)

    def _opened(self, record: StepRecord) -> EventFile:
        if self._events is None:
            raise InputError(
                f"{self.directory}: the TensorBoard sink is not open; call open(run, start_step=...) first"
            )
        for curve in (*record.scalars, *dict.fromkeys(d.source.kind.value for d in record.diagnoses)):
            last = self._last.get(curve, self._start)
            if record.step < last:
                raise InputError(
                    f"{curve}: step {record.step} came after step {last}; log a curve in the order of steps"
                )
            self._last[curve] = record.step
        return self._events


def _markdown(run: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(dict(run), indent=2, default=str, ensure_ascii=False)}\n```"
