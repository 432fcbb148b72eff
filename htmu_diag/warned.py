"""Warnings that point at the caller's own line, however many rooms lie between it and the place that warns."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from pathlib import Path
from types import FrameType

__all__ = ["warn"]

_PACKAGE = str(Path(__file__).parent) + os.sep


def warn(sentence: str) -> None:
    """A RuntimeWarning at the nearest line that is neither of this package nor of torch, which calls its hooks."""
    warnings.warn(sentence, RuntimeWarning, stacklevel=2 + _between(sys._getframe(1)))


def _between(frame: FrameType | None) -> int:
    """How many frames from this one outwards are not the user's; 0 where all are (a thread of the package's own)."""
    passed, rooms = 0, _rooms()
    while frame is not None and frame.f_code.co_filename.startswith(rooms):
        frame, passed = frame.f_back, passed + 1
    return passed if frame is not None else 0


def _rooms() -> tuple[str, ...]:
    """What the paths of code that is not the user's begin with."""
    torch = getattr(sys.modules.get("torch"), "__file__", None)
    return (_PACKAGE, contextlib.__file__, *([str(Path(torch).parent) + os.sep] if torch else []))
