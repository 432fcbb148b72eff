"""What is shown of a verdict that changes: the new one once it was seen several times in a row.

Late in a training spectra hardly move, and a number near a threshold crosses it to and fro. The verdicts that are
stored are the raw ones, each of its own spectrum; this is for eyes that follow them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["HOLD", "held"]

HOLD = 2  # see docs/phases.md for what 1, 2 and 3 do to the bundled runs
T = TypeVar("T")


def held(verdicts: Sequence[T], hold: int = HOLD) -> list[T]:
    """The shown verdict of each step: the last one that came ``hold`` times in a row, the first one until then.

    >>> held(["noise", "spikes", "noise", "spikes", "spikes"])
    ['noise', 'noise', 'noise', 'noise', 'spikes']
    """
    shown: list[T] = []
    for step, verdict in enumerate(verdicts):
        lasts = step + 1 >= hold and all(earlier == verdict for earlier in verdicts[step + 1 - hold : step])
        shown.append(verdict if lasts or not shown else shown[-1])
    return shown
