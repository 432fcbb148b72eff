"""Whether this process is a command's own: nobody else's threads, locks or devices are in it, so it may be forked, and
what its imports make is nobody else's to collect."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from htmu_diag.undisturbed import uncollected

__all__ = ["begin_child", "importing", "is_own_process", "own_process"]

_own: list[bool] = []


def own_process() -> None:
    """Said once, by a command that was started as a process."""
    _own[:] = [True]


def is_own_process() -> bool:
    """False in the process of a user's script, and where a system's own libraries do not live on in a fork."""
    return bool(_own) and sys.platform == "linux"


@contextmanager
def importing() -> Iterator[None]:
    """For imports: the collector of reference cycles rests, and in a command's own process it takes what they made for
    granted from then on. Of all that torch holds, passes later would take 0.3 s and the one at the exit 0.5.
    """
    with uncollected():
        yield
    if _own:
        gc.freeze()


def begin_child() -> None:
    """First in a process of a pool: Ctrl-C is for the one that was started, and with that one it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _open_streams()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _open_streams() -> None:
    """Of this process alone: the bar's thread may have held the locks of the others when it was forked."""
    for number, name in enumerate(("stdout", "stderr"), 1):
        if getattr(sys, name) is not None:
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115


def _end_with_parent() -> None:
    """A pool's process waits for its next call for ever where the one that was started is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
