"""Diagnosed steps kept in memory: for notebooks and tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from htmu_diag.analysis.record import StepRecord
from htmu_diag.arguments import checked, optional, whole

__all__ = ["MemorySink"]


class MemorySink:
    """Keeps every record in ``records``, in the order of the steps.

    keep: the newest so many records only (None: all). A record holds its spectra, so a long run is better read back
    with `load_run`.
    """

    @checked(keep=optional(whole(0)))
    def __init__(self, keep: int | None = None) -> None:
        self.records: list[StepRecord] = []
        self.run: dict[str, Any] = {}
        self._keep = keep
        self._start = 0

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        self.run = dict(run)
        self._start = start_step
        self.records = [record for record in self.records if record.step <= start_step > 0]

    def write(self, record: StepRecord) -> None:
        if record.diagnoses and record.step == self._start:
            self.records = [old for old in self.records if old.step < record.step or not old.diagnoses]
        self.records.append(record)
        if self._keep is not None:
            del self.records[: -self._keep or None]

    def close(self) -> None:
        """Nothing to flush."""

    def curve(self, tag: str) -> list[tuple[int, float]]:
        """One number through time, (step, value); steps without it are left out."""
        points = ((record.step, record.metrics()) for record in self.records)
        return [(step, metrics[tag]) for step, metrics in points if tag in metrics]
