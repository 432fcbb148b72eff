"""Ctrl-C inside a measurement: at once while a probe computes, a moment later while what it changed is put back.

Python raises KeyboardInterrupt between any two instructions, also inside the ``finally`` that gives parameters their
``requires_grad`` back. A notebook's kernel lives on after it, with whatever was not put back.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupts"]


class Interrupts(contextlib.AbstractContextManager["Interrupts"]):
    """A block in which SIGINT waits for the end of the block, or of the next `allowed` part, whichever begins first.

    Changes nothing outside the main thread, or where Python does not handle the signal.
    """

    def __init__(self) -> None:
        self._allowed = False
        self._waiting: tuple[int, FrameType | None] | None = None
        self._users: Any = None

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread() and callable(signal.getsignal(signal.SIGINT)):
            self._users = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._users is not None:
            signal.signal(signal.SIGINT, self._users)
        self.pass_on()

    def pass_on(self) -> None:
        """Call the user's handler if a signal came meanwhile; Python's own raises KeyboardInterrupt."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            allowed, self._allowed = self._allowed, False
            self._users(*waiting)
            self._allowed = allowed

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """A part that may be left at any instruction, once: what follows is then as safe as it was before the part."""
        self.pass_on()
        self._allowed = True
        try:
            yield
        finally:
            self._allowed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._waiting = number, frame
        if self._allowed:
            self.pass_on()
