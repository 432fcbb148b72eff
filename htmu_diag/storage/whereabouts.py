"""What may have been meant by a folder that holds no run, or by a layer that a run does not have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from htmu_diag.nearest import did_you_mean, nearest
from htmu_diag.plain_files import entry_names
from htmu_diag.storage.segments import RECORDS

__all__ = ["no_kind", "no_layer", "no_run"]

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


def no_layer(name: str, known: Sequence[str]) -> str:
    """One line: that a run has no such layer, then which may have been meant."""
    more = ", ..." if len(known) > _NAMED else ""
    some = f"there are {', '.join(known[:_NAMED])}{more}"
    return f"{name}: not among the layers of this run; {did_you_mean(name, known, some)}"


def no_kind(kind: str, known: Sequence[str]) -> str:
    """One line: that a run has no spectra of a kind, then which may have been meant."""
    hint = did_you_mean(kind, known, f"it has {', '.join(known)}")
    return f"{kind}: no spectra of that kind in this run; {hint}"


def _runs(folder: Path) -> list[str]:
    """The names of the folders in it that hold a run; none where it cannot be read."""
    return [name for name in entry_names(folder) if (folder / name / RECORDS).is_dir()]
