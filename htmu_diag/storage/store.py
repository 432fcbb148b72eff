"""The writer of a run folder: one file a step, complete or absent, whatever happens to the process."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from htmu_diag.analysis import Options, Reading
from htmu_diag.errors import InputError, StorageError
from htmu_diag.files import TEMPORARY, own_folder, storage_errors, sync_folder, write_atomically
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage.arrays import write_arrays
from htmu_diag.storage.info import encode_info, run_info
from htmu_diag.storage.lock import FolderLock
from htmu_diag.storage.log import LogLine, append_line
from htmu_diag.storage.numbers import StepNumbers, append_numbers
from htmu_diag.storage.numbers_file import NumbersFile
from htmu_diag.storage.record import DamagedRecord, StoredStep, decode, decode_header, encode
from htmu_diag.storage.segments import RECORDS, Segment, Slot, find_record, record_name, segments
from htmu_diag.warned import warn

__all__ = ["Store"]

TOGETHER = 1000  # steps that are written before they are packed: a folder of a thousand names is no burden
FEWEST = 100  # steps that are packed when a run is closed; fewer stay as they are


class Store:
    """Writes spectra step by step into a run folder; `load_run` reads them, also while this is open.

    directory: created if it does not exist.
    info: content of ``run.json``, see `run_info`.
    start_step: optimizer steps taken before this attempt. Records of earlier attempts are superseded (kept on disk, no
        longer read) after it, and at it, kind by kind, when a new one is written; 0 starts anew and supersedes all.
    fsync: make every record survive a power loss as well as a crash of the process. On by default: it costs
        milliseconds of waiting on the caller's thread and no CPU time.

    Raises StorageError where the folder cannot be written or another process is writing it; a failed write leaves
    everything written before as it was, and a later write may succeed.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        info: Mapping[str, Any] | None = None,
        start_step: int = 0,
        fsync: bool = True,
    ) -> None:
        self.directory = Path(os.path.abspath(directory))  # wherever the process goes later
        self.start_step, self._fsync, self._unpacked = start_step, fsync, 0
        self._written: set[int] = set()
        with storage_errors("create", self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.directory)
        try:
            for folder in (self.directory / RECORDS, *(segment.path for segment in segments(self.directory))):
                own_folder(folder)
            self._earlier = find_record(segments(self.directory), start_step) if start_step else None
            self._segment = self._open_segment(encode_info(run_info() if info is None else info))
        except OSError:
            self._lock.release()
            raise

    def write(
        self,
        step: int,
        spectra: Iterable[Spectrum] = (),
        *,
        wall_time: float | None = None,
        scalars: Mapping[str, float] | None = None,
        events: Iterable[str] = (),
    ) -> None:
        """Write the record of one step; when this returns, it is on disk.

        wall_time: seconds since the epoch, now by default. A second call with the same step adds to its record.
        Raises StorageError, InputError for a negative step.
        """
        self._require_lock()
        if step < 0:
            raise InputError(f"step {step} is negative; count optimizer steps from 0")
        when = time.time() if wall_time is None else wall_time
        record = StoredStep(step, when, tuple(spectra), dict(scalars or {}), tuple(events))
        there = self._segment.find(step) if step in self._written else None
        if there is not None:
            record = _joined(there, record)
        elif step == self.start_step and self._earlier is not None:
            record = _renewed(self._earlier, record)
        self._written.add(step)
        write_atomically(self._segment.path / record_name(step), encode(record), fsync=self._fsync)
        self._unpacked += 1
        if self._unpacked >= TOGETHER:
            self._pack([self._segment], fewest=1)

    def log(
        self, step: int, scalars: Mapping[str, float], *, wall_time: float | None = None, events: Iterable[str] = ()
    ) -> None:
        """Append numbers of the training, or sentences, that fall between records. Raises StorageError."""
        self._require_lock()
        when = time.time() if wall_time is None else wall_time
        numbers = {tag: float(v) for tag, v in scalars.items()}
        append_line(self._segment.path, LogLine(step, when, numbers, tuple(events)))

    def write_numbers(
        self,
        step: int,
        spectra: Sequence[Spectrum],
        readings: Sequence[Reading],
        options: Options,
        *,
        wall_time: float | None = None,
    ) -> None:
        """Keep what was said about spectra of a step, in their order, with the options of `diagnose` that said it.

        One line in one write; it may come long after the spectra, and again. Not made durable against a power loss:
        numbers come out of the spectra again. Raises StorageError, InputError where the two are not as many.
        """
        self._require_lock()
        if len(spectra) != len(readings):
            raise InputError(f"step {step}: {len(readings)} readings of {len(spectra)} spectra; pass one for each")
        when = time.time() if wall_time is None else wall_time
        append_numbers(self._segment.path, StepNumbers.of(step, spectra, readings, options, when))

    def keep(self, name: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep arrays that belong to this whole attempt, such as the probe batch. Raises StorageError."""
        self._require_lock()
        write_arrays(self._segment.path, name, arrays, fsync=self._fsync)

    def close(self) -> None:
        """Pack what are many small files, and give the folder free; harmless when called twice."""
        if self._lock.held:
            self._pack(self._attempts(), fewest=FEWEST)
        self._lock.release()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _attempts(self) -> Iterator[Segment]:
        yield from segments(self.directory)  # listed where it is used: a folder may have gone stale by then

    def _pack(self, attempts: Iterable[Segment], *, fewest: int) -> None:
        """What cannot be packed stays as it is, with a warning: it is all there."""
        self._unpacked = 0
        try:
            for segment in attempts:
                if segment.pack(fewest=fewest, fsync=self._fsync):
                    NumbersFile(segment.path).write_index(fsync=self._fsync)
        except StorageError as error:
            warn(f"records stay in a file for each step: {error}")

    def _require_lock(self) -> None:
        if not self._lock.held:
            raise StorageError(f"{self.directory}: this store is closed, or open in the parent process; open another")

    def _open_segment(self, info: bytes) -> Segment:
        """Make the attempt's folder appear with its run.json in it: from then on it supersedes."""
        _sweep(self.directory)
        segment = Segment.after(self.directory, self.start_step)
        beside = segment.path.with_name(f".{segment.path.name}{TEMPORARY}")
        with storage_errors("create", segment.path):
            own_folder(beside, afresh=True)
            write_atomically(beside / "run.json", info, fsync=self._fsync)
            os.rename(beside, segment.path)
            if self._fsync:
                sync_folder(segment.path.parent)
        write_atomically(self.directory / "run.json", info, fsync=self._fsync)
        return segment


def _sweep(root: Path) -> None:
    """Remove what a killed process was writing; the lock makes sure that nobody is."""
    with storage_errors("clean", root):
        for folder in (root, *(segment.path for segment in segments(root))):
            for path in folder.glob(f".*{TEMPORARY}"):
                path.unlink()


def _joined(there: Slot, added: StoredStep) -> StoredStep:
    """The record on disk with more added to it; the time of the first measurement stays."""
    header = decode_header(there)
    return StoredStep(
        added.step,
        header.wall_time,
        decode(there, header) + added.spectra,
        {**header.scalars, **added.scalars},
        header.events + added.events,
    )


def _renewed(earlier: Slot, record: StoredStep) -> StoredStep:
    """The record of the step at which a run resumes, with the kinds of spectra that only the earlier attempt measured
    there: those that look back, such as the optimizer's path.
    """
    kinds = {spectrum.source.kind for spectrum in record.spectra}
    try:
        header = decode_header(earlier)
        wanted = [i for i, entry in enumerate(header.spectra) if entry["source"]["kind"] not in kinds]
        kept = decode(earlier, header, wanted)
    except DamagedRecord:
        return record
    return replace(record, spectra=record.spectra + kept, scalars={**header.scalars, **record.scalars})
