"""Whether this process is a command's own: nobody else's threads, locks or devices are in it, so it may be forked."""

from __future__ import annotations

import sys

__all__ = ["is_own_process", "own_process"]

_own: list[bool] = []


def own_process() -> None:
    """Said once, by a command that was started as a process."""
    _own[:] = [True]


def is_own_process() -> bool:
    """False in the process of a user's script, and where a system's own libraries do not live on in a fork."""
    return bool(_own) and sys.platform == "linux"
