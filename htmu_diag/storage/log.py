"""What is logged between measurements (the loss of every tenth step, a sentence): one JSON line each, in append order.

A line is complete when its newline is there: a reader drops an unfinished last line, and a writer that ran out of
disk space cuts its half-written line off again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htmu_diag.errors import InputError
from htmu_diag.files import append
from htmu_diag.plain_files import complete_lines, open_plain
from htmu_diag.storage.segments import Segment, segments, visible_records
from htmu_diag.warned import warn

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


def visible_lines(attempts: Sequence[Segment]) -> list[LogLine]:
    """The lines of all attempts, oldest first, without those that a later attempt superseded."""
    lines: list[LogLine] = []
    for segment in attempts:
        lines = [line for line in lines if not segment.supersedes(line.step)]
        lines.extend(_read(segment.path / LOG))
    return lines


def holds_a_run(root: Path) -> bool:
    """Whether anything was recorded or logged there: a new run from step 0 would hide it."""
    attempts = segments(root)
    return bool(visible_records(attempts)) or any(any(_read(segment.path / LOG)) for segment in attempts)


def _read(path: Path) -> Iterator[LogLine]:
    number = 0
    try:
        with open_plain(path) as file:
            for number, text in enumerate(complete_lines(file), start=1):
                line = _readable(text)
                if line is None:
                    warn(f"dropped damaged line {number} of {path}")
                else:
                    yield line
    except FileNotFoundError:
        return
    except (OSError, InputError) as error:
        warn(f"dropped {path}{f' after line {number}' if number else ''}: {error}")


def _readable(text: bytes) -> LogLine | None:
    try:
        return _line(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _line(content: Any) -> LogLine:
    step, events = content["step"], content.get("events", [])
    if not isinstance(step, int) or not all(isinstance(event, str) for event in events):
        raise ValueError("no line of a log")
    scalars = {str(tag): float(value) for tag, value in content["scalars"].items()}
    return LogLine(step, float(content["wall_time"]), scalars, tuple(events))
