"""What is logged between measurements (the loss of every tenth step, a remark): one JSON line each, in append order.

A line is complete when its newline is there: a reader drops an unfinished last line, and a writer that ran out of
disk space cuts its half-written line off again.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from htmu_diag.files import append
from htmu_diag.storage.segments import segments, visible_records

__all__ = ["LogLine", "append_line", "holds_a_run", "visible_lines"]

LOG = "scalars.jsonl"


@dataclass(frozen=True)
class LogLine:
    """Scalars of the training at one step, and sentences about it. wall_time: seconds since the epoch."""

    step: int
    wall_time: float
    scalars: Mapping[str, float]
    events: Sequence[str] = ()


def append_line(segment: Path, line: LogLine) -> None:
    """Add a line to a segment's log. Raises StorageError; the log then ends where it ended before."""
    path = segment / LOG
    events = {"events": list(line.events)} if line.events else {}
    content = {"step": line.step, "wall_time": line.wall_time, "scalars": dict(line.scalars), **events}
    append(path, f"{json.dumps(content)}\n".encode())


def visible_lines(root: Path) -> list[LogLine]:
    """The lines of all attempts, oldest first, without those that a later attempt superseded."""
    lines: list[LogLine] = []
    for segment in segments(root):
        lines = [line for line in lines if not segment.supersedes(line.step)]
        lines.extend(_read(segment.path / LOG))
    return lines


def holds_a_run(root: Path) -> bool:
    """Whether anything was recorded or logged there: a new run from step 0 would hide it."""
    return bool(visible_records(root)) or any(any(_read(segment.path / LOG)) for segment in segments(root))


def _read(path: Path) -> Iterator[LogLine]:
    if path.exists():
        for number, text in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
            try:
                yield LogLine(**json.loads(text))
            except (ValueError, TypeError):
                warnings.warn(f"dropped damaged line {number} of {path}", RuntimeWarning, stacklevel=2)
