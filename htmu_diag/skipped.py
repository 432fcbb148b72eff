"""A tensor that is in no table of matrices, with the reason: the one word for it, with torch and without."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Skipped"]


@dataclass(frozen=True)
class Skipped:
    """A tensor that gives no matrix, and why."""

    name: str
    shape: tuple[int, ...]
    reason: str
