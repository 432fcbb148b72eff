"""Where runs lie near a folder that holds none: in it, or beside it under a near name."""

from __future__ import annotations

from pathlib import Path

from htmu_diag.nearest import nearest
from htmu_diag.plain_files import entry_names
from htmu_diag.storage.segments import RECORDS

__all__ = ["no_run"]

_NAMED = 4  # runs in one sentence


def no_run(folder: Path) -> str:
    """One line: that there is no run, then which may have been meant."""
    inside = sorted([*_runs(folder), *(f"runs/{name}" for name in _runs(folder / "runs"))])  # the latter of a sweep
    if inside:
        more = f" and {len(inside) - _NAMED} more" if len(inside) > _NAMED else ""
        return f"{folder}: no run itself; pass one of the runs in it: {', '.join(inside[:_NAMED])}{more}"
    near = nearest(folder.name, _runs(folder.parent))
    hint = "pass the log_dir of a run" if near is None else f"did you mean {str(folder.parent / near)!r}?"
    return f"{folder}: no run here (no folder '{RECORDS}'); {hint}"


def _runs(folder: Path) -> list[str]:
    """The names of the folders in it that hold a run; none where it cannot be read."""
    return [name for name in entry_names(folder) if (folder / name / RECORDS).is_dir()]
