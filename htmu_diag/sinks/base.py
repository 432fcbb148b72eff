"""The protocol of a sink: it receives diagnosed steps in order and never measures anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from htmu_diag.analysis.record import StepRecord

__all__ = ["Sink"]


@runtime_checkable
class Sink(Protocol):
    """Where diagnosed steps go. Calls come from one thread, in the order open, write..., close."""

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        """Begin or resume a run. Records written earlier are superseded after start_step, and at it by a new one; a run
        that starts at step 0 supersedes all."""
        ...

    def write(self, record: StepRecord) -> None:
        """Take one diagnosed step. Steps arrive in increasing order."""
        ...

    def close(self) -> None:
        """Flush; calling it twice is harmless."""
        ...
