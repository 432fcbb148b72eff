"""The reader of a segment's ``numbers.jsonl``: what was appended since the last look is read, nothing twice."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from htmu_diag.storage.numbers import NUMBERS, StepNumbers, decode_line, line_step

__all__ = ["NumbersFile"]

_KEPT = 2048  # decoded tables that are kept at hand: 20 MB for models of 26 layers


class NumbersFile:
    """The tables of one segment by step, in the order in which they were written; complete and undamaged lines only."""

    def __init__(self, segment: Path) -> None:
        self.path = segment / NUMBERS
        self._inode = self._end = 0
        self._places: dict[int, list[tuple[int, int]]] = {}  # step -> (offset, length) of its lines
        self._decoded: dict[tuple[int, int], StepNumbers | None] = {}

    def tables(self, step: int) -> list[StepNumbers]:
        """Those of a step, oldest first; look with ``refresh`` for new ones."""
        found = (self._table(place) for place in self._places.get(step, ()))
        return [table for table in found if table is not None]

    def refresh(self) -> None:
        """Take note of what was appended. A file that was replaced by another is read from its start."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except OSError:
            return self._forget()
        with file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._inode or status.st_size < self._end:
                self._forget()
            self._inode = status.st_ino
            file.seek(self._end)
            self._scan(file.read(status.st_size - self._end))
        return None

    def _forget(self) -> None:
        self._inode = self._end = 0
        self._places.clear()
        self._decoded.clear()

    def _scan(self, data: bytes) -> None:
        for line in data.split(b"\n")[:-1]:  # what follows the last newline is not there yet
            step = line_step(line)
            if step is None:
                self._damaged(self._end)
            else:
                self._places.setdefault(step, []).append((self._end, len(line)))
            self._end += len(line) + 1

    def _table(self, place: tuple[int, int]) -> StepNumbers | None:
        if place not in self._decoded:
            if len(self._decoded) >= _KEPT:
                self._decoded.clear()
            self._decoded[place] = self._read(*place)
        return self._decoded[place]

    def _read(self, offset: int, length: int) -> StepNumbers | None:
        with open(self.path, "rb") as file:
            file.seek(offset)
            try:
                return decode_line(file.read(length))
            except (ValueError, KeyError, TypeError, RecursionError):
                self._damaged(offset)
                return None

    def _damaged(self, offset: int) -> None:
        warnings.warn(f"dropped a damaged line at byte {offset} of {self.path}", RuntimeWarning, stacklevel=2)
