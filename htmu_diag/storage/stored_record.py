"""A step as it lies on disk: its numbers at once, its spectra and fits when somebody looks at them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

from htmu_diag.analysis import Diagnosis, Options, Reading, StepRecord, summarize
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage.numbers import Key, StepNumbers
from htmu_diag.storage.record import Header, decode
from htmu_diag.storage.segments import Slot
from htmu_diag.storage.stored_diagnosis import StoredDiagnosis

__all__ = ["StoredRecord", "keys_of"]

_FAILED = re.compile(r"(?P<name>.+?) \((?P<kind>[A-Za-z]\w*), step \d+\): ")  # `Source.label` before a reason


@dataclass(frozen=True)
class StoredRecord:
    """One step of a run: what sinks received of it, read back.

    numbers: the table of the step's spectra, in the order of the model. options: with which ``diagnoses`` are made.
    """

    place: Path | Slot
    header: Header = field(repr=False)
    numbers: StepNumbers = field(repr=False)
    options: Options

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return self.header.step

    @property
    def wall_time(self) -> float:
        """Seconds since the epoch, as measured."""
        return self.header.wall_time

    @property
    def scalars(self) -> Mapping[str, float]:
        """Numbers of the training that were written with the spectra."""
        return self.header.scalars

    @property
    def events(self) -> tuple[str, ...]:
        """Sentences about what could not be measured."""
        return self.header.events

    @property
    def failed(self) -> tuple[tuple[str, str], ...]:
        """(kind, layer) of the spectra that could not be measured, as its events name them."""
        found = (_FAILED.match(event) for event in self.events)
        return tuple((match["kind"], match["name"]) for match in found if match)

    @cached_property
    def readings(self) -> tuple[Reading, ...]:
        """One for each spectrum that has numbers: its source, numbers and words."""
        return tuple(self.numbers.reading(row) for row in range(len(self.numbers.spectra)))

    @cached_property
    def spectra(self) -> tuple[Spectrum, ...]:
        """The spectra themselves, read now. Raises DamagedRecord."""
        return decode(self.place, self.header)

    @cached_property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """One for each spectrum that has numbers: read from the store, its laws fitted when they are looked at."""
        places = {key: place for place, key in enumerate(keys_of(self.header))}
        found = []
        for reading, key in zip(self.readings, self.numbers.keys(), strict=True):
            found.append(StoredDiagnosis(reading, partial(self._spectrum, places[key]), self.options))
        return tuple(cast(list[Diagnosis], found))

    def step_record(self) -> StepRecord:
        """The same as what sinks receive live."""
        return StepRecord(self.step, self.wall_time, self.diagnoses, self.scalars, self.events)

    def metrics(self) -> dict[str, float]:
        """Every finite number of the step by its tag: ``weights_alpha/<layer>``, ``summary/...``, then the scalars."""
        tagged: dict[str, float] = {}
        for reading in self.readings:
            tagged.update(reading.metrics())
        return {**tagged, **summarize(self.readings), **self.scalars}

    def rows(self) -> list[dict[str, Any]]:
        """One row a spectrum, as `Diagnosis.row`."""
        return [reading.row() for reading in self.readings]

    def _spectrum(self, place: int) -> Spectrum:
        return decode(self.place, self.header, [place])[0]


def keys_of(header: Header) -> list[Key]:
    """Which spectra a record holds, in the words of `StepNumbers.keys`."""
    return [(s["source"]["kind"], s["source"]["name"], s["crc32"]) for s in header.spectra]
