"""What lies at a path: one checkpoint, or checkpoints of a training, told by the steps in their names.

    step_100/  step-00000060.pt  checkpoint-500/  global_step1000  epoch=3-step=1200.ckpt  iter_0002000  epoch_4.pth

A name without one of these words is no step: ``model-00001-of-00002.safetensors`` and ``consolidated.00.pth`` are parts
of one model.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from htmu_diag.arguments import PATH, checked
from htmu_diag.errors import InputError
from htmu_diag.matrices.files import is_checkpoint
from htmu_diag.storage.segments import RECORDS

_DIGITS = 18  # of a step: what follows is stored in 64 bits

__all__ = ["CheckpointSeries", "find_series", "refuse_other_folders", "step_of"]

_STEP = re.compile(r"step[s]?[=_-]*(\d+)", re.IGNORECASE)
_OTHER = re.compile(r"(?:checkpoint|ckpt|iteration|iter|update|epoch)[=_-]*(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class CheckpointSeries:
    """Checkpoints of one training by ascending step, and what else lies beside them: names of further weights."""

    folder: Path
    steps: tuple[tuple[int, Path], ...]
    beside: tuple[str, ...] = ()


def step_of(path: str | os.PathLike[str]) -> int | None:
    """The optimizer step in the last part of a path; a word with "step" before "checkpoint", "iter", "epoch".

    >>> step_of("run/checkpoint-500"), step_of("epoch=3-step=1200.ckpt"), step_of("model.safetensors")
    (500, 1200, None)
    """
    name = Path(path).name
    found = _STEP.search(name) or _OTHER.search(name)
    return int(found[1]) if found and len(found[1]) <= _DIGITS else None


@checked(path=PATH)
def find_series(path: str | os.PathLike[str]) -> CheckpointSeries | None:
    """The checkpoints in a folder, or in the folder ``checkpoints`` of a run; None where no name has a step.

    Raises InputError where two of them have the same step.
    """
    folder = Path(path)
    if step_of(folder) is not None and _holds_weights(folder):  # such as checkpoint-500 with a folder global_step500
        return None
    inside = folder / "checkpoints"
    for place in (folder, inside):
        weights = [entry for entry in _visible(place) if _holds_weights(entry)]
        numbered = [(step, entry) for entry in weights if (step := step_of(entry)) is not None]
        if numbered:
            numbered.sort(key=lambda pair: pair[0])
            _refuse_equal_steps(numbered)
            beside = tuple(entry.name for entry in weights if step_of(entry) is None)
            return CheckpointSeries(place, tuple(numbered), beside)
    return None


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror or error}); check its permissions") from error


def _holds_weights(path: Path) -> bool:
    """True also for damaged ones: what is wrong with them is said when they are read."""
    try:
        return is_checkpoint(path) or (path.is_dir() and any(path.glob("*.index.json")))
    except InputError:
        return True


def _refuse_equal_steps(numbered: list[tuple[int, Path]]) -> None:
    for (step, one), (following, other) in pairwise(numbered):
        if step == following:
            raise InputError(
                f"{one.parent}: {one.name} and {other.name} are both of step {step}; "
                "move one of them away, or pass one checkpoint alone"
            )


def refuse_other_folders(path: Path) -> None:
    """Raises InputError for what is no single model: checkpoints of several steps, and a run of spectra alone.

    Files of several steps are not parts of one model; weights beside folders of steps are a model of their own.
    """
    series = find_series(path)
    if series is not None and not (series.beside and all(step.is_dir() for _, step in series.steps)):
        first, last = series.steps[0][0], series.steps[-1][0]
        raise InputError(
            f"{path}: checkpoints of a training, steps {first} to {last}; pass one of them, "
            "or all of them to offline.analyze_series (htmu analyze does)"
        )
    if (path / RECORDS).is_dir() and not any(map(is_checkpoint, [path, *path.iterdir()])):
        raise InputError(f"{path}: the run of a training, with spectra and without weights; htmu show {path} shows it")
