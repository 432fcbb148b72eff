"""What was found in each matrix of one checkpoint, kept as it comes: an analysis that was killed goes on.

    .layers/series.json   of which checkpoint, with which choices, by which version: another command is refused
    .layers/spectra/      a record for each matrix, by its place in the model, and its numbers

Ranks of a job keep theirs in the same folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from htmu_diag.analysis import Diagnosis, Options, Reading
from htmu_diag.matrices import Inventory
from htmu_diag.offline.asked import asked, files_of, require_same
from htmu_diag.offline.measure import Choices, Measuring, runs_of
from htmu_diag.report.analysis import Layer
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage.record import DamagedRecord
from htmu_diag.storage.shared_store import LAYERS, SharedStore
from htmu_diag.storage.stored_diagnosis import StoredDiagnosis

__all__ = ["LayerFolder"]


class LayerFolder:
    """The layers of one checkpoint that are done, in ``folder/.layers``.

    step: of the checkpoint. Raises StorageError where the folder cannot be written, or holds the results of other
    choices or of a checkpoint that was another one then.
    """

    def __init__(
        self, folder: Path, checkpoint: Path, options: Options, choices: Mapping[str, Any], step: int | None
    ) -> None:
        self._options, self._step = options, step
        wanted = asked(checkpoint, options, {**choices, "files of the checkpoint": files_of(checkpoint)})
        self._store = SharedStore(folder / LAYERS, {}, wanted)
        try:
            require_same(self._store.directory, wanted)
        except OSError:
            self._store.close()
            raise

    def found(self, place: int, layer: Layer) -> Layer | None:
        """The layer with what was found in it before; None where that is not there, or damaged. layer: without it."""
        if not self._store.has(place):
            return None
        try:
            record = self._store.read(place, self._options)
            spectra = record.spectra
        except DamagedRecord:
            return None
        if not spectra:
            return replace(layer, reason=record.events[0])
        if (spectra[0].source.name, spectra[0].source.shape) != (layer.name, layer.shape):
            return None
        return replace(layer, diagnosis=self._diagnosis(record.readings[0], spectra[0]))

    def keeping(self, layers: Iterable[tuple[int, Layer]]) -> Iterator[tuple[int, Layer]]:
        """The same (place, layer), each on disk before it goes on. Raises StorageError."""
        for place, layer in layers:
            found = [layer.diagnosis] if layer.diagnosis is not None else []
            spectra, readings = [d.spectrum for d in found], [Reading.of(d) for d in found]
            events = [] if found else [layer.reason]
            self._store.write(place, spectra, readings, self._options, wall_time=0.0, events=events)
            yield place, layer

    def resumed(
        self, inventory: Inventory, mine: Sequence[int], choices: Choices, measuring: Measuring
    ) -> Iterator[tuple[int, Layer]]:
        """(place, layer) of each place: what an earlier call left, then the rest, each kept before it goes on.

        What is decomposed together is so again, unless all of it is there: the numbers are those of a call that was not
        interrupted. measuring: gives the layers of some places.
        """
        matrices = {place: inventory.matrices[place] for place in mine}
        empty = {place: Layer(one.name, one.shape, one.role, None) for place, one in matrices.items()}
        before = {place: layer for place in mine if (layer := self.found(place, empty[place])) is not None}
        for run in runs_of(inventory, mine, batched=not choices.vectors):
            if any(place not in before for place in run):
                for place in run:
                    before.pop(place, None)
        yield from before.items()
        rest = [place for place in mine if place not in before]
        if rest:
            yield from self.keeping(measuring(rest))

    def __enter__(self) -> LayerFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self._store.close()

    def _diagnosis(self, reading: Reading, spectrum: Spectrum) -> Diagnosis:
        """Its record is named by its place; the checkpoint has its own step."""
        own = replace(reading, source=replace(reading.source, step=self._step))
        return cast(Diagnosis, StoredDiagnosis(own, partial(_itself, spectrum), self._options))


def _itself(spectrum: Spectrum) -> Spectrum:
    """Ranks send what they found to the first one, so a lambda would not do."""
    return spectrum
