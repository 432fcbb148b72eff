"""The layout of a run folder, and the rule by which a resumed run supersedes what an earlier attempt had written.

    run.json                            the latest attempt's information
    spectra/0000-from-0/                the first attempt
        run.json                        its own information
        000000000100.safetensors        one record a step
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

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RECORDS", "Segment", "record_name", "segments", "visible_records"]

RECORDS = "spectra"
_SEGMENT = re.compile(r"(\d{4,})-from-(\d+)")
_RECORD = re.compile(r"(\d+)\.safetensors")


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

    def records(self) -> Mapping[int, Path]:
        """step -> file."""
        matches = (_RECORD.fullmatch(name) for name in os.listdir(self.path))
        return {int(match[1]): self.path / match[0] for match in matches if match}


def record_name(step: int) -> str:
    """The file's name; padded, so that a listing is in the order of the steps."""
    return f"{step:012d}.safetensors"


def segments(root: Path) -> list[Segment]:
    """All segments of a run folder, oldest first."""
    folder = root / RECORDS
    if not folder.is_dir():
        return []
    found = ((_SEGMENT.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted(Segment(int(match[1]), int(match[2]), path) for match, path in found if match)


def visible_records(root: Path) -> dict[int, Path]:
    """step -> file, ascending, each step once: of the latest attempt that covers it."""
    visible: dict[int, Path] = {}
    for segment in segments(root):
        visible = {step: path for step, path in visible.items() if not segment.supersedes(step)}
        visible.update(segment.records())
    return dict(sorted(visible.items()))
