"""The reader of a run folder, at any time: while it is written, after a crash, after a resume."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from htmu_diag.analysis import Options, StepRecord, diagnose_all
from htmu_diag.analysis.hold import held
from htmu_diag.analysis.quantities import declare_stored
from htmu_diag.arguments import PATH, checked
from htmu_diag.errors import InputError, StorageError
from htmu_diag.extras import Late
from htmu_diag.spectrum import Kind, Spectrum
from htmu_diag.storage.arrays import PROBE_BATCH, latest_arrays
from htmu_diag.storage.gaps import Gap, gaps
from htmu_diag.storage.information import RunInformation
from htmu_diag.storage.log import visible_lines
from htmu_diag.storage.record import SCHEMA, DamagedRecord, Header, decode
from htmu_diag.storage.records import Records
from htmu_diag.storage.segments import RECORDS, Slot, segments
from htmu_diag.storage.stored_numbers import StoredNumbers
from htmu_diag.storage.stored_record import StoredRecord
from htmu_diag.storage.tables import Curves, curves, frame
from htmu_diag.storage.whereabouts import no_kind, no_layer, no_run

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Late("pandas")

__all__ = ["Run", "load_run"]


@checked(directory=PATH)
def load_run(directory: str | os.PathLike[str]) -> Run:
    """Read a run folder written by `Store` (or by `watch`). Raises StorageError where there is none.

    Every access looks at the folder anew, so a run that is still being written can be followed.
    """
    return Run(directory)


class Run:
    """A run as it lies on disk: its information, its steps, the spectra and numbers of each.

    attempt: read one attempt alone, superseded steps included; see ``attempts``.

    A record that is cut short or damaged is dropped with one warning, and listed in ``dropped`` (file -> reason).
    """

    def __init__(self, directory: str | os.PathLike[str], *, attempt: int | None = None) -> None:
        self.directory = Path(os.path.abspath(directory))
        if not (self.directory / RECORDS).is_dir():
            raise StorageError(no_run(self.directory))
        self.attempt = attempt
        self._records = Records(self.directory, attempt)
        self._numbers = StoredNumbers(self.directory)
        self._information = RunInformation()
        self._refuse_newer()
        brought = self.info.get("quantities")
        declare_stored(brought if isinstance(brought, list) else ())

    @property
    def dropped(self) -> dict[Path, str]:
        """Records that are damaged, with the reason."""
        return self._records.dropped

    @property
    def attempts(self) -> tuple[Run, ...]:
        """Every attempt by itself, oldest first, each with its own ``info`` and all steps that it wrote."""
        return tuple(Run(self.directory, attempt=segment.number) for segment in segments(self.directory))

    @property
    def start_step(self) -> int:
        """The step at which the (latest) attempt began."""
        found = self._records.attempts()
        return found[-1].start if found else 0

    @property
    def info(self) -> dict[str, Any]:
        """The content of ``run.json``; empty where it is missing, or damaged, which is warned about."""
        found = self._records.attempts()
        folder = self.directory if self.attempt is None else found[-1].path if found else self.directory
        return self._information.read(folder / "run.json")

    @property
    def options(self) -> Options:
        """The options of the live analysis, from ``run.json``; a default for what it has not as it should."""
        return self._information.options(self.info.get("options", {}))

    @property
    def probe_batch(self) -> dict[str, npt.NDArray[Any]]:
        """The samples that the kernel probes look at: ``rows`` of the batch, ``inputs`` and ``targets``; else empty."""
        return latest_arrays(self._records.attempts(), PROBE_BATCH)

    @property
    def steps(self) -> tuple[int, ...]:
        """Steps with a complete record, ascending."""
        return self._records.steps()

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """(last step held, step at which the run went on): where it was continued beyond what the folder held."""
        return tuple(gaps(self._records.attempts(), self._information.read, self.steps))

    def names(self, kind: Kind | str = Kind.WEIGHTS) -> tuple[str, ...]:
        """Layers of which a spectrum of that kind was stored, in the order of the model."""
        wanted = Kind(kind)
        return tuple(dict.fromkeys(source["name"] for source in self._sources() if source["kind"] == wanted))

    def spectra(self, step: int | None = None) -> list[Spectrum]:
        """The spectra of a step (default: the last), as they were measured. Raises StorageError for a missing step."""
        path, header = self._records.find(step)
        return list(decode(path, header))

    def series(self, name: str, kind: Kind | str = Kind.WEIGHTS) -> list[Spectrum]:
        """One layer through time, by ascending step; steps at which it was not measured are left out.

        Raises InputError for a layer or a kind that the run does not have.
        """
        self._require(name, kind)
        found: list[Spectrum] = []
        for path, header in self._records.readable().values():
            try:
                found.extend(decode(path, header, header.find(name, Kind(kind))))
            except DamagedRecord as damage:
                self._records.drop(path, damage)
        return found

    def scalars(self) -> dict[str, list[tuple[int, float]]]:
        """Numbers of the training: tag -> (step, value) by ascending step."""
        pairs = [(line.step, line.scalars) for line in visible_lines(self._records.attempts())]
        pairs += [(step, header.scalars) for step, (_, header) in self._records.readable().items()]
        curves: dict[str, dict[int, float]] = {}
        for step, scalars in pairs:
            for tag, value in scalars.items():
                curves.setdefault(tag, {})[step] = value
        return {tag: sorted(points.items()) for tag, points in curves.items()}

    def events(self) -> list[tuple[int, str]]:
        """What could not be measured, in words: (step, sentence), by ascending step."""
        of_records = [
            (step, event) for step, (_, header) in self._records.readable().items() for event in header.events
        ]
        between = [(line.step, event) for line in visible_lines(self._records.attempts()) for event in line.events]
        return sorted(of_records + between, key=lambda event: event[0])

    def diagnose(self, step: int | None = None, options: Options | None = None) -> StepRecord:
        """The step (default: the last) fitted again, with all laws; without options, with those of the run."""
        return _diagnosed(*self._records.find(step), options or self.options)

    def record(self, step: int | None = None, options: Options | None = None, *, fit: bool = True) -> StoredRecord:
        """One step (default: the last) with its numbers. Options and fit as in ``records``."""
        return self._numbers.refresh().record(*self._records.find(step), options or self.options, fit=fit)

    def records(self, options: Options | None = None, *, fit: bool = True) -> Iterator[StoredRecord]:
        """Every step with its numbers, ascending; damaged ones are dropped.

        options: those of the run by default. Stored numbers are taken where this version made them with these options,
            others are fitted now.
        fit: False fits nothing: stored numbers are taken, whoever made them, and what has none is left out.
        """
        options, numbers = options or self.options, self._numbers.refresh()
        for path, header in self._records.readable().values():
            try:
                yield numbers.record(path, header, options, fit=fit)
            except DamagedRecord as damage:
                self._records.drop(path, damage)

    def metrics(
        self, name: str, kind: Kind | str = Kind.WEIGHTS, options: Options | None = None, *, fit: bool = True
    ) -> Curves:
        """One quantity ("alpha") of every layer of a kind: ``steps (s,), layers (l), values (s, l)``.

        Options and fit as in ``records``. Raises InputError for an unknown quantity.
        """
        return curves(list(self.records(options, fit=fit)), name, Kind(kind).value)

    def verdicts(self, name: str, kind: Kind | str = Kind.WEIGHTS, *, hold: int | None = None) -> list[tuple[int, str]]:
        """(step, verdict) of one layer as it is shown: a change counts when it was seen ``hold`` times in a row.

        hold: that of the run's options by default (2); 1 gives the raw verdicts, which the records have.
        Raises InputError for a layer or a kind that the run does not have.
        """
        self._require(name, kind)
        readings = [(record.step, reading) for record in self.records() for reading in record.readings]
        found = [(step, r.verdict) for step, r in readings if (r.source.name, r.source.kind) == (name, kind)]
        shown = held([verdict for _, verdict in found], self.options.hold if hold is None else hold)
        return [(step, verdict) for (step, _), verdict in zip(found, shown, strict=True)]

    def to_pandas(self, options: Options | None = None, *, fit: bool = True) -> pd.DataFrame:
        """One row a layer and step: step, wall_time, kind, name, rows, columns, every quantity, verdict, reason, ...
        Options and fit as in ``records``. Needs pandas (``pip install htmu_diag[pandas]``)."""
        return frame(self.records(options, fit=fit))

    def undiagnosed(self, options: Options | None = None) -> tuple[int, ...]:
        """Steps of which some spectrum has no stored numbers of this version with these options."""
        options, numbers = options or self.options, self._numbers.refresh()
        headers = ((step, header) for step, (_, header) in self._records.readable().items())
        return tuple(step for step, header in headers if numbers.find(header, options, fit=True)[1])

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers whose weights were measured, in the order of the model; without any, the names of all spectra."""
        return self.names() or tuple(
            dict.fromkeys(
                s["source"]["name"] for _, header in self._records.readable().values() for s in header.spectra
            )
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of spectra that the run holds, in the order in which they appear."""
        return tuple(dict.fromkeys(source["kind"] for source in self._sources()))

    def __repr__(self) -> str:
        steps = self.steps
        span = f"{len(steps)} steps, {steps[0]} to {steps[-1]}" if steps else "no steps yet"
        diagnosed = f", {waiting} of them without numbers" if (waiting := len(self.undiagnosed())) else ""
        what = f"; {len(self.layers)} layers; {', '.join(self.kinds)}" if steps else ""
        return f"Run({str(self.directory)!r}: {span}{diagnosed}{what})"

    def _refuse_newer(self) -> None:
        schema = self.info.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise StorageError(
                f"{self.directory}: written with schema {schema}, this version reads up to {SCHEMA}; upgrade htmu_diag"
            )

    def _require(self, name: str, kind: Kind | str) -> None:
        """Refuse a layer or a kind that no record has; a run that has no spectra yet may still get them."""
        layers, kinds = self.names(kind), self.kinds
        if kinds and not layers:
            raise InputError(no_kind(Kind(kind).value, kinds))
        if layers and name not in layers:
            raise InputError(no_layer(name, layers))

    def _sources(self) -> Iterator[Mapping[str, Any]]:
        return (s["source"] for _, header in self._records.readable().values() for s in header.spectra)


def _diagnosed(slot: Slot, header: Header, options: Options) -> StepRecord:
    diagnoses = tuple(diagnose_all(decode(slot, header), options))
    return StepRecord(header.step, header.wall_time, diagnoses, header.scalars, header.events)
