"""The folder of a series: what was found in each checkpoint, so that nothing is analysed twice.

    series.json              of which checkpoints, with which choices, by which version: another command is refused
    parts/000000000100.json  of one checkpoint, beside its spectra and numbers: the names, roles and reasons of its
                             layers, what was skipped, and how large and how old its files were
    .claims/                 a locked file for each checkpoint that a process has in hand

A part is written last: with it a checkpoint is done. A checkpoint whose files changed since then is analysed again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from htmu_diag.analysis import Options, Reading
from htmu_diag.errors import InputError
from htmu_diag.files import own_folder, write_atomically
from htmu_diag.offline.asked import asked, files_of, newest_of, require_same
from htmu_diag.plain_files import read_json
from htmu_diag.report.analysis import Analysis, Layer
from htmu_diag.sinks import TensorBoardSink
from htmu_diag.skipped import Skipped
from htmu_diag.storage import run_info
from htmu_diag.storage.lock import alone
from htmu_diag.storage.shared_store import SharedStore

__all__ = ["Failed", "SeriesFolder"]

PARTS = "parts"
FINISHED = ".finished"


@dataclass(frozen=True)
class Failed:
    """A checkpoint that cannot be read, and why."""

    step: int
    reason: str


class SeriesFolder:
    """The results of one command on a folder of checkpoints, filled by any number of processes.

    Raises StorageError where the folder holds something else, or the results of other choices.
    """

    def __init__(self, folder: Path, checkpoints: Path, options: Options, choices: Mapping[str, Any]) -> None:
        self._options = options
        self._info = run_info({"checkpoints": str(checkpoints)}, options=asdict(options))
        wanted = asked(checkpoints, options, choices)
        self._store = SharedStore(folder, self._info, wanted)
        self._folder = self._store.directory
        try:
            require_same(self._folder, wanted)
        except OSError:
            self._store.close()
            raise

    def claim(self, step: int) -> Any:
        """A block that tells whether this process may analyse the step now."""
        return self._store.claim(step)

    def is_done(self, step: int, path: Path) -> bool:
        """Whether the checkpoint as it lies there was analysed."""
        part = self._part(step)
        return part is not None and part["files"] == files_of(path) and self._store.has(step)

    def keep(self, step: int, path: Path, found: Analysis | Failed, files: Any) -> None:
        """Write what was found. files: of the checkpoint, as they were before it was read."""
        diagnoses = found.diagnoses if isinstance(found, Analysis) else ()
        events = [found.reason] if isinstance(found, Failed) else [f"{x.name}: {x.reason}" for x in found.unusable]
        spectra, readings = [d.spectrum for d in diagnoses], [Reading.of(d) for d in diagnoses]
        self._store.write(step, spectra, readings, self._options, wall_time=newest_of(path), events=events)
        own_folder(self._folder / PARTS)
        write_atomically(self._part_path(step), json.dumps({"files": files, **_content(found)}).encode())

    def found(self, step: int) -> Analysis | Failed:
        """What was found in a checkpoint that is done, by whichever process."""
        part = self._part(step)
        assert part is not None, "asked for a checkpoint that is not done"
        if part["failed"]:
            return Failed(step, part["failed"])
        diagnoses = iter(self._store.read(step, self._options).diagnoses)
        layers = tuple(
            Layer(x["name"], tuple(x["shape"]), x["role"], None if x["reason"] else next(diagnoses), x["reason"])
            for x in part["layers"]
        )
        skipped = tuple(Skipped(x["name"], tuple(x["shape"]), x["reason"]) for x in part["skipped"])
        return Analysis(part["model"], layers, skipped, self._options, step)

    def finish(self, steps: list[int]) -> None:
        """Once all of them are done: numbers and curves in the order of the steps, written by one process."""
        with alone(self._folder):
            parts = {str(step): self._part(step) for step in steps}
            content = json.dumps(parts).encode()
            mark = self._folder / FINISHED
            if mark.exists() and mark.read_bytes() == content:
                return
            self._store.put_in_order(steps, self._options)
            sink = TensorBoardSink(self._folder)
            sink.open(self._info, start_step=0)
            for step in steps:
                sink.write(self._store.read(step, self._options).step_record())
            sink.close()
            write_atomically(mark, content)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> SeriesFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _part_path(self, step: int) -> Path:
        return self._folder / PARTS / f"{step:012d}.json"

    def _part(self, step: int) -> dict[str, Any] | None:
        """None where it is not there, or damaged: then the checkpoint is not done."""
        try:
            part = read_json(self._part_path(step))
        except (OSError, InputError):
            return None
        return part if isinstance(part, dict) and {"files", "failed"} <= part.keys() else None


def _content(found: Analysis | Failed) -> dict[str, Any]:
    if isinstance(found, Failed):
        return {"failed": found.reason}
    layers = [
        {"name": x.name, "shape": x.shape, "role": x.role, "reason": "" if x.diagnosis else x.reason}
        for x in found.layers
    ]
    return {"failed": "", "model": found.model, "layers": layers, "skipped": [asdict(skip) for skip in found.skipped]}
