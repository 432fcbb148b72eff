"""The reader of a segment's ``numbers.jsonl``: what was appended since the last look is read, nothing twice."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from htmu_diag.errors import InputError
from htmu_diag.plain_files import complete_lines, open_plain
from htmu_diag.storage.numbers import NUMBERS, StepNumbers, decode_line, line_step
from htmu_diag.storage.pack import Index, append_places, read_index
from htmu_diag.warned import warn

__all__ = ["NumbersFile"]

INDEX = "numbers.index"  # where the lines of a run that was closed are, in the form of `pack`
_KEPT = 2048  # decoded tables that are kept at hand: 20 MB for models of 26 layers


class NumbersFile:
    """The tables of one segment by step, in the order in which they were written; complete and undamaged lines only."""

    def __init__(self, segment: Path) -> None:
        self.path = segment / NUMBERS
        self._index_path = segment / INDEX
        self._inode = self._end = 0
        self._index: Index = np.empty((0, 3), dtype=np.int64)  # places that were written down
        self._places: dict[int, list[tuple[int, int]]] = {}  # step -> (offset, length) of the lines after those
        self._decoded: dict[tuple[int, int], StepNumbers | None] = {}

    def tables(self, step: int) -> list[StepNumbers]:
        """Those of a step, oldest first; look with ``refresh`` for new ones."""
        listed = self._index[self._index[:, 0] == step, 1:].tolist() if len(self._index) else []
        found = (self._table(step, (offset, length)) for offset, length in [*listed, *self._places.get(step, ())])
        return [table for table in found if table is not None]

    def refresh(self) -> None:
        """Take note of what was appended. A file that was replaced by another is read from its start."""
        try:
            file = open_plain(self.path)
        except FileNotFoundError:
            return self._forget()
        except (OSError, InputError) as error:
            self._warn(f"{self.path}: {error}")
            return self._forget()
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or status.st_size < self._end:
                self._forget()
                self._read_index(status.st_size)
            self._inode = status.st_ino
            file.seek(self._end)
            try:
                self._scan(complete_lines(file))
            except InputError as error:
                self._warn(f"{self.path} from byte {self._end:,} on: {error}")
        return None

    def write_index(self, *, fsync: bool) -> None:
        """Write down where the lines are, so that a later reader need not look at all. For the folder's one writer."""
        self.refresh()
        places = [(step, *place) for step, lines in self._places.items() for place in lines]
        append_places(self._index_path, sorted(places, key=lambda place: place[1]), fsync=fsync)

    def _forget(self) -> None:
        self._inode = self._end = 0
        self._index = self._index[:0]
        self._places.clear()
        self._decoded.clear()

    def _read_index(self, size: int) -> None:
        """Places beyond the end of the file are of another file."""
        index = read_index(self._index_path)
        end = int(index[-1, 1] + index[-1, 2] + 1) if len(index) else 0
        if end <= size:
            self._index, self._end = index, end

    def _scan(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            step = line_step(line)
            if step is not None:
                self._places.setdefault(step, []).append((self._end, len(line)))
            elif line:
                self._damaged(self._end)
            self._end += len(line) + 1

    def _table(self, step: int, place: tuple[int, int]) -> StepNumbers | None:
        if place not in self._decoded:
            if len(self._decoded) >= _KEPT:
                self._decoded.clear()
            self._decoded[place] = self._read(step, *place)
        return self._decoded[place]

    def _read(self, step: int, offset: int, length: int) -> StepNumbers | None:
        try:
            with open_plain(self.path) as file:
                file.seek(offset)
                line = file.read(length)
            if line_step(line) == step:
                return decode_line(line)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError):
            pass
        self._damaged(offset)
        return None

    def _damaged(self, offset: int) -> None:
        self._warn(f"a damaged line at byte {offset} of {self.path}")

    def _warn(self, what: str) -> None:
        warn(f"dropped {what}")
