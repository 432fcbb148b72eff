"""Where a run that was continued has a hole: it went on at a step beyond what the folder held then.

That is legal (the folder may have been on another machine), and it is said: when the run goes on, in one sentence, and
afterwards to every reader. What was lost cannot be measured again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from htmu_diag.storage.segments import Segment, segments, visible_records

__all__ = ["GAP", "Gap", "gap_before", "gap_words", "gaps"]

GAP = "gap"  # in run.json of the attempt behind it
Gap = tuple[int, int]  # the last step that was held, and the one at which the run went on


def gap_before(folder: Path, start_step: int, due: Callable[[int, int], bool]) -> Gap | None:
    """The hole that a run leaves which goes on at ``start_step``; None without one, or where nothing is held.

    due: whether a measurement is due strictly between two steps. The distance has to be larger than any between the
    measurements that are held, too: the run may have had another schedule before.
    """
    held = [step for step in visible_records(segments(folder)) if step <= start_step] if start_step else []
    if not held or not due(held[-1], start_step):
        return None
    widest = max((after - before for before, after in pairwise(held)), default=0)
    return (held[-1], start_step) if start_step - held[-1] > widest else None


def gap_words(folder: Path, gap: Gap) -> str:
    """The sentence for whoever continues the run."""
    last, start = gap
    return (
        f"{folder} holds nothing after step {last:,}, and this run goes on at step {start:,}: what was due between is "
        "missing; if a folder of those steps exists, continue that one"
    )


def gaps(attempts: Sequence[Segment], read: Callable[[Path], Mapping[str, Any]], steps: Collection[int]) -> list[Gap]:
    """The holes that are told beside the attempts and have no measurement inside. read: a ``run.json``."""
    told = [read(segment.path / "run.json").get(GAP) for segment in attempts]
    found = [gap for gap in map(_gap, told) if gap is not None]
    return [(last, start) for last, start in found if not any(last < step < start for step in steps)]


def _gap(value: Any) -> Gap | None:
    is_one = isinstance(value, list) and len(value) == 2 and all(type(step) is int for step in value)
    return (value[0], value[1]) if is_one else None
