"""The layout of a run folder, and the rule by which a resumed run supersedes what an earlier attempt had written.

    run.json                            the latest attempt's information
    spectra/0000-from-0/                the first attempt
        run.json                        its own information
        000000000100.safetensors        one record a step
        records.pack, records.index     many of them in one file, see `pack`
        numbers.jsonl                   what was diagnosed, a line a step, see `numbers`
        scalars.jsonl                   numbers logged between records, a line each
        probe_batch.safetensors         the samples that kernel probes look at
    spectra/0001-from-1200/             resumed at step 1200: steps > 1200 of segment 0000 no longer count

Nothing is moved or deleted on resume. One ``rename`` makes the new segment appear, and with it the old steps after its
start disappear from every reading: the change is atomic, no step can be read twice, and what was superseded stays on
disk for whoever wants it. The start itself belongs to the past that a checkpoint keeps (it holds the state after so
many steps); its record gives way to a new one when the resumed run measures there again. A segment from step 0 is a new
run: it supersedes everything.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from htmu_diag.files import storage_errors
from htmu_diag.storage.pack import INDEX, PACK, pack, read_index

__all__ = ["RECORDS", "Segment", "Slot", "find_record", "record_name", "record_step", "segments", "visible_records"]

RECORDS = "spectra"
_SEGMENT = re.compile(r"([0-9]{4,9})-from-([0-9]{1,18})")
_RECORD = re.compile(r"([0-9]{1,18})\.safetensors")


@dataclass(frozen=True)
class Slot:
    """Where a record lies: a file of its own, or ``size`` bytes of a pack from ``offset`` on."""

    path: Path
    offset: int = 0
    size: int | None = None

    @property
    def packed(self) -> bool:
        return self.size is not None

    def __str__(self) -> str:
        return f"{self.path} at byte {self.offset}" if self.packed else str(self.path)


@dataclass(frozen=True, order=True)
class Segment:
    """What one attempt wrote. number: 0, 1, ... in order of time. start: its first step."""

    number: int
    start: int
    path: Path

    @classmethod
    def after(cls, root: Path, start: int) -> Segment:
        """The next segment of a run folder (not created yet)."""
        number = max((segment.number for segment in segments(root)), default=-1) + 1
        return cls(number, start, root / RECORDS / f"{number:04d}-from-{start}")

    def supersedes(self, step: int) -> bool:
        """Whether a step of an earlier segment no longer counts."""
        return step > self.start or self.start == 0

    def loose(self) -> dict[int, Path]:
        """step -> file, of the records that are not in the pack, or newer than it."""
        with storage_errors("read", self.path):
            matches = [_RECORD.fullmatch(name) for name in os.listdir(self.path)]
        return {int(match[1]): self.path / match[0] for match in matches if match}

    def records(self) -> Mapping[int, Slot]:
        """step -> place."""
        pack = self.path / PACK
        found = {step: Slot(pack, offset, size) for step, offset, size in read_index(self.path / INDEX).tolist()}
        return found | {step: Slot(path) for step, path in self.loose().items()}

    def pack(self, *, fewest: int, fsync: bool) -> bool:
        """Move the records' files into the pack where they are many; whether they were. For the folder's one writer."""
        loose = self.loose()
        if len(loose) < fewest:
            return False
        pack(self.path, loose, fsync=fsync)
        return True

    def find(self, step: int) -> Slot | None:
        """The place of one record, without a look at the others' names; None where there is none."""
        path = self.path / record_name(step)
        return Slot(path) if path.exists() else self.find_packed(step)

    def find_packed(self, step: int) -> Slot | None:
        """The same in the pack."""
        index = read_index(self.path / INDEX)
        places = np.flatnonzero(index[:, 0] == step)
        return Slot(self.path / PACK, *index[places[-1], 1:].tolist()) if places.size else None


def record_name(step: int) -> str:
    """The file's name; padded, so that a listing is in the order of the steps."""
    return f"{step:012d}.safetensors"


def record_step(path: Path) -> int | None:
    """The step that a file's name tells; None for other files."""
    match = _RECORD.fullmatch(path.name)
    return int(match[1]) if match else None


def segments(root: Path) -> list[Segment]:
    """All segments of a run folder, oldest first."""
    folder = root / RECORDS
    if not os.path.isdir(folder):  # which is no error where the way to it is barred
        return []
    with storage_errors("read", folder):
        found = [(_SEGMENT.fullmatch(path.name), path) for path in folder.iterdir()]
        return sorted(Segment(int(match[1]), int(match[2]), path) for match, path in found if match and path.is_dir())


def visible_records(attempts: Sequence[Segment]) -> dict[int, Slot]:
    """step -> place, ascending, each step once: of the latest attempt that covers it."""
    visible: dict[int, Slot] = {}
    last: float = math.inf  # of the steps that no later attempt supersedes
    for segment in reversed(attempts):
        visible.update((step, slot) for step, slot in segment.records().items() if step <= last and step not in visible)
        last = min(last, segment.start)
        if segment.supersedes(segment.start):
            break
    return dict(sorted(visible.items()))


def find_record(attempts: Sequence[Segment], step: int) -> Slot | None:
    """The place of one step's record as `visible_records` has it, without a look at all the others."""
    for segment in reversed(attempts):
        slot = segment.find(step)
        if slot is not None or segment.supersedes(step):
            return slot
    return None
