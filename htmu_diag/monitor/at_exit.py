"""However a process ends, its monitors close: at exit, and when it is asked to terminate.

SIGTERM ends a Python process at once, without ``finally`` blocks or exit handlers. While a monitor is open and nobody
else handles the signal, it becomes SystemExit(143) in the main thread (128 + 15, what shells report), which unwinds
the training as any exception does. A second one ends the process at once.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
from types import FrameType
from typing import Protocol

__all__ = ["AtExit"]


class Closable(Protocol):
    def close(self) -> None: ...


class AtExit:
    """Closes something when the process ends; `cancel` when it was closed before."""

    def __init__(self, target: Closable) -> None:
        self._close = target.close
        atexit.register(self._close)
        self._process = os.getpid()
        self._handles_signal = _is_free(signal.SIGTERM)
        if self._handles_signal:
            signal.signal(signal.SIGTERM, self._terminate)

    def cancel(self) -> None:
        """Leave the process's ending as it was found."""
        atexit.unregister(self._close)
        if self._handles_signal and signal.getsignal(signal.SIGTERM) == self._terminate and _in_main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.getpid() != self._process:  # a forked data loader: it ends as it would without us
            os.kill(os.getpid(), signal.SIGTERM)
        raise SystemExit(128 + number)


def _is_free(number: int) -> bool:
    return _in_main_thread() and signal.getsignal(number) is signal.SIG_DFL


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
