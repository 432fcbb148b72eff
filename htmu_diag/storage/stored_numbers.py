"""The numbers of a whole run folder: which of the lines that its attempts wrote belong to the spectra of a record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from htmu_diag.analysis import Options, Reading, diagnose_all
from htmu_diag.storage.numbers import Key, StepNumbers, joined
from htmu_diag.storage.numbers_file import NumbersFile
from htmu_diag.storage.record import Header, decode
from htmu_diag.storage.segments import Slot, segments
from htmu_diag.storage.stored_record import StoredRecord, keys_of

__all__ = ["StoredNumbers"]


class StoredNumbers:
    """What was said about the spectra of a run, by any attempt; ``refresh`` looks for new lines."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[Path, NumbersFile] = {}

    def refresh(self) -> StoredNumbers:
        """Take note of what was written since the last look."""
        for segment in segments(self._root):
            self._files.setdefault(segment.path, NumbersFile(segment.path)).refresh()
        return self

    def find(self, header: Header, options: Options, *, fit: bool) -> tuple[StepNumbers | None, list[int]]:
        """The table of a record and the places of its spectra without numbers.

        fit: whether only numbers of this version and these options count; else others do too, after those.
        """
        tables = [table for path in sorted(self._files) for table in self._files[path].tables(header.step)]
        wanted = [table for table in tables if table.agrees(options)]
        if not fit:
            wanted = [*(table for table in tables if not table.agrees(options)), *wanted]
        return _assembled(header.step, keys_of(header), wanted)

    def record(self, place: Path | Slot, header: Header, options: Options, *, fit: bool) -> StoredRecord:
        """A record with its numbers; with ``fit``, what has none is fitted now. Raises DamagedRecord."""
        numbers, missing = self.find(header, options, fit=fit)
        if fit and missing:
            spectra = decode(place, header, missing)
            readings = [Reading.of(diagnosis) for diagnosis in diagnose_all(spectra, options)]
            fitted = StepNumbers.of(header.step, spectra, readings, options, header.wall_time)
            tables = [fitted] if numbers is None else [numbers, fitted]
            numbers = _assembled(header.step, keys_of(header), tables)[0]
        numbers = numbers or StepNumbers.of(header.step, (), (), options, header.wall_time)
        return StoredRecord(place, header, numbers, options)


def _assembled(step: int, keys: Sequence[Key], tables: Sequence[StepNumbers]) -> tuple[StepNumbers | None, list[int]]:
    """One table of these spectra from those that were written about them, the latest first; and who has no row."""
    if tables and tables[-1].keys() == keys:
        return tables[-1], []
    rows: dict[Key, Any] = {}
    for table in tables:
        rows |= {key: (table, row) for row, key in enumerate(table.keys())}
    missing = [place for place, key in enumerate(keys) if key not in rows]
    found = [rows[key] for key in keys if key in rows]
    return (joined(step, found) if found else None), missing
