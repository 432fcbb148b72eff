"""What an analysis in a folder was asked for, so that only the same command goes on with it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from htmu_diag._version import __version__
from htmu_diag.analysis import Options
from htmu_diag.errors import InputError, StorageError
from htmu_diag.plain_files import read_json
from htmu_diag.storage.shared_store import SERIES

__all__ = ["asked", "files_of", "newest_of", "require_same"]


def asked(checkpoints: Path, options: Options, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the numbers depend on, as plain values."""
    plain = {"checkpoints": os.path.realpath(checkpoints), "version": __version__, **choices, **asdict(options)}
    return json.loads(json.dumps(plain, default=lambda value: type(value).__qualname__))  # type: ignore[no-any-return]


def require_same(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Raises StorageError where the folder holds the results of something else."""
    there = _plain_json(folder / SERIES)
    different = [name for name, value in wanted.items() if there.get(name) != value]
    if different:
        said = ", ".join(f"{name} {_short(there.get(name))} and not {_short(wanted[name])}" for name in different)
        raise StorageError(
            f"{folder} holds an analysis with {said}; give its own choices to go on with it, or name another folder"
        )


def files_of(path: Path) -> list[int]:
    """What tells whether a checkpoint changed: number, bytes and newest time of its files."""
    found = [p.stat() for p in _paths(path)]
    return [len(found), sum(s.st_size for s in found), max((s.st_mtime_ns for s in found), default=0)]


def newest_of(path: Path) -> float:
    """The newest time of its files, in seconds since the epoch."""
    return files_of(path)[2] / 1e9


def _paths(path: Path) -> list[Path]:
    return [path] if not path.is_dir() else [Path(at) / name for at, _, names in os.walk(path) for name in names]


def _plain_json(path: Path) -> dict[str, Any]:
    """Empty where it is no mapping. Raises StorageError where it cannot be read."""
    try:
        content = read_json(path)
    except (OSError, InputError) as error:
        raise StorageError(f"{path}: cannot be read ({error}); name another folder") from error
    return content if isinstance(content, dict) else {}


def _short(value: Any) -> str:
    return "nothing" if value in (None, "", []) else str(value)
