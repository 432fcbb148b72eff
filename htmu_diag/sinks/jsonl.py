"""One JSON object a step in a text file: for scripts, grep and pandas.

    {"step": 1200, "wall_time": 1.7e9, "metrics": {"weights_alpha/fc1.weight": 3.1, ...},
     "verdicts": {"weights/fc1.weight": "bulk+spikes"}, "events": []}

Numbers are finite: what has no value is absent. A resumed run drops the lines after its first step, and a measurement
made again at that step replaces its line.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from htmu_diag.analysis.record import StepRecord
from htmu_diag.arguments import PATH, checked
from htmu_diag.files import append, storage_errors, write_atomically

__all__ = ["JSONLSink"]


class JSONLSink:
    """Appends records to a file. Raises StorageError where it cannot be written."""

    @checked(path=PATH)
    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.abspath(path))
        self._start = 0

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        with storage_errors("create", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._start = start_step
        self._keep(lambda line: line["step"] <= start_step > 0)

    def write(self, record: StepRecord) -> None:
        if record.diagnoses and record.step == self._start:
            self._keep(lambda line: line["step"] < record.step or not line["verdicts"])
        line = json.dumps(_content(record), allow_nan=False, ensure_ascii=False) + "\n"
        append(self.path, line.encode())

    def close(self) -> None:
        """Nothing to flush: every line is on disk when ``write`` returns."""

    def _keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        kept = [line for line, content in _lines(self.path) if wanted(content)]
        write_atomically(self.path, b"".join(kept), fsync=False)


def _content(record: StepRecord) -> dict[str, Any]:
    return {
        "step": record.step,
        "wall_time": record.wall_time,
        "metrics": {tag: value for tag, value in record.metrics().items() if math.isfinite(value)},
        "verdicts": {f"{d.source.kind.value}/{d.source.name}": d.verdict for d in record.diagnoses},
        "events": list(record.events),
    }


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Complete lines with their content; a line cut short by a crash is left out."""
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        try:
            yield line, json.loads(line)
        except ValueError:
            continue
