"""A run folder that several processes fill together, each with steps of its own: one file a step, no order of writing.

A step is claimed by a lock on a file of its name, which ends with its process, however that ends. When all steps are
there the numbers are put into the order of the steps, so that the folder is the same to the last byte whoever did what
and when; only ``run.json`` tells the first process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from htmu_diag.analysis import Options, Reading
from htmu_diag.files import TEMPORARY, own_folder, storage_errors, write_atomically
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage.info import encode_info
from htmu_diag.storage.lock import FileLock, FolderLocked, this_process
from htmu_diag.storage.numbers import NUMBERS, StepNumbers, append_numbers, encode_line
from htmu_diag.storage.record import DamagedRecord, StoredStep, decode_header, encode
from htmu_diag.storage.segments import RECORDS, Segment, record_name
from htmu_diag.storage.stored_numbers import StoredNumbers
from htmu_diag.storage.stored_record import StoredRecord

__all__ = ["LAYERS", "SERIES", "SharedStore", "goes_on"]

SERIES = "series.json"  # in such a folder: what it holds
LAYERS = ".layers"  # in the folder of one model's analysis: such a folder, with matrices for steps

CLAIMS = ".claims"
_OPENING_SECONDS = 5.0  # another process that opens the folder holds it alone for milliseconds
_POLL_SECONDS = 0.05


def goes_on(folder: Path) -> bool:
    """Whether it holds an analysis of one model that was begun: the same command goes on with it."""
    return (folder / LAYERS / SERIES).is_file()


class SharedStore:
    """The writer of one process among several. `Store` and `watch` are refused while one is open, and the reverse.

    info: content of ``run.json``, about: content of ``series.json``, if this process is the first.

    Raises StorageError where the folder cannot be written, FolderLocked where one process alone writes it.
    """

    def __init__(self, directory: Path, info: Mapping[str, Any], about: Mapping[str, Any]) -> None:
        self.directory = Path(os.path.abspath(directory))
        self._segment = Segment(0, 0, self.directory / RECORDS / "0000-from-0")
        self._numbers = StoredNumbers(self.directory)
        with storage_errors("create", self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.directory / ".lock")
            try:
                self._open(encode_info(info), encode_info(about))
            except OSError:
                self._lock.release()
                raise

    @contextmanager
    def claim(self, step: int) -> Iterator[bool]:
        """Whether the step is this process's own inside the block. Raises StorageError where files cannot be locked."""
        with storage_errors("lock a file in", self.directory / CLAIMS):
            lock = FileLock(own_folder(self.directory / CLAIMS) / f"{step:012d}")
            mine = lock.acquire()
        try:
            yield mine
        finally:
            lock.release()

    def write(
        self,
        step: int,
        spectra: Sequence[Spectrum],
        readings: Sequence[Reading],
        options: Options,
        *,
        wall_time: float,
        events: Iterable[str] = (),
    ) -> None:
        """The whole of a step: its record, in place of an older one, then its numbers. Raises StorageError."""
        record = StoredStep(step, wall_time, tuple(spectra), events=tuple(events))
        write_atomically(self._path(step), encode(record))
        append_numbers(self._segment.path, StepNumbers.of(step, spectra, readings, options, wall_time))

    def has(self, step: int) -> bool:
        """Whether the record of a step is there and whole."""
        try:
            decode_header(self._path(step))
        except (DamagedRecord, FileNotFoundError):
            return False
        return True

    def read(self, step: int, options: Options) -> StoredRecord:
        """A step with its numbers. Raises DamagedRecord."""
        path = self._path(step)
        return self._numbers.refresh().record(path, decode_header(path), options, fit=True)

    def put_in_order(self, steps: Sequence[int], options: Options) -> None:
        """The numbers of these steps, once each, by ascending step."""
        lines = [encode_line(self.read(step, options).numbers) for step in steps]
        write_atomically(self._segment.path / NUMBERS, b"".join(lines))

    def close(self) -> None:
        """Harmless when called twice. The claims go with the last process."""
        if self._lock.held and self._lock.acquire():
            with storage_errors("clean", self.directory):
                for name in os.listdir(self.directory / CLAIMS) if (self.directory / CLAIMS).is_dir() else ():
                    (self.directory / CLAIMS / name).unlink()
        self._lock.release()

    def __enter__(self) -> SharedStore:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _path(self, step: int) -> Path:
        return self._segment.path / record_name(step)

    def _open(self, info: bytes, about: bytes) -> None:
        """Alone for a moment, if nobody else is there: then the folder is made and cleaned; from then on together."""
        deadline = time.monotonic() + _OPENING_SECONDS
        while not self._lock.acquire():
            if self._lock.acquire(shared=True):
                return
            if time.monotonic() > deadline:
                raise FolderLocked.of(self.directory, self._lock.holder() or "another process")
            time.sleep(_POLL_SECONDS)
        self._lock.say(f"{this_process()}, one of those that analyse checkpoints together")
        self._make(info, about)
        self._lock.acquire(shared=True, wait=True)

    def _make(self, info: bytes, about: bytes) -> None:
        if (self.directory / RECORDS).exists():
            own_folder(self.directory / RECORDS)
        for folder in (self.directory, self._segment.path):
            for left in folder.glob(f".*{TEMPORARY}"):
                left.unlink()
        self._first(self.directory / SERIES, about)  # before anything else: whoever sees a folder sees what it is
        own_folder(self._segment.path)
        self._first(self._segment.path / "run.json", info)
        self._first(self.directory / "run.json", info)

    def _first(self, path: Path, content: bytes) -> None:
        if not path.exists():
            write_atomically(path, content)
