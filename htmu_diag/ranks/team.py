"""One process or many: who measures which part, and who writes."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from htmu_diag.errors import HTMUError
from htmu_diag.ranks.share import Share
from htmu_diag.spectrum import Spectrum

__all__ = ["Found", "Part", "Solo", "Team"]


@dataclass(frozen=True)
class Found:
    """A spectrum with its place: the probe it comes from, and its order among that probe's spectra."""

    probe: str
    order: int
    spectrum: Spectrum


@dataclass(frozen=True)
class Part:
    """What one process measured at one step. error: why there is nothing of it."""

    found: tuple[Found, ...]
    events: tuple[str, ...]
    error: HTMUError | None = None


class Team(Protocol):
    """The processes that train one model together."""

    @property
    def share(self) -> Share:
        """This process's part of the work; rank 0 writes."""
        ...

    def agree(self, step: int, probes: Sequence[str]) -> list[str]:
        """On the training thread, before a snapshot: the probes that all processes run now, rank 0's choice.

        Raises MeasurementError where not all of them came within the time limit; never waits longer than that.
        """
        ...

    def together(self) -> contextlib.AbstractContextManager[Any]:
        """A block in which all processes measure with one process group, or with None where there is one process.

        Raises MeasurementError where another process does not keep up within the time limit.
        """
        ...

    def follow_first(self, step: int, place: str) -> None:
        """Rank 0 says that it has come so far in a snapshot; the others wait for it, outside of any collective, for as
        long as it lives. Raises MeasurementError once it gives no sign of life.
        """
        ...

    def collect(self, step: int, part: Part) -> list[Part]:
        """On the worker thread: all parts on rank 0, none elsewhere; a missing one has an error."""
        ...

    def hurry(self) -> None:
        """From any thread: the run is being closed, so a process without a sign of life is not waited for."""
        ...

    def close(self) -> None:
        """Nothing is sent after it."""
        ...


class Solo:
    """One process does all."""

    share = Share()

    def agree(self, step: int, probes: Sequence[str]) -> list[str]:
        return list(probes)

    def together(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext()

    def follow_first(self, step: int, place: str) -> None:
        """Nobody waits."""

    def collect(self, step: int, part: Part) -> list[Part]:
        return [part]

    def hurry(self) -> None:
        """Nobody waits."""

    def close(self) -> None:
        """Nothing to end."""
