"""Whatever has ``log_metrics(numbers, step)``: the loggers of Lightning and Fabric."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from htmu_diag.analysis.record import StepRecord
from htmu_diag.sinks.scalars import Scalars
from htmu_diag.sinks.trackers.common import numbers

__all__ = ["Logger", "LoggerSink"]


class Logger(Protocol):
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None: ...


class LoggerSink:
    """Gives numbers to loggers, with the step at which they were measured; the training's own under ``htmu/``.

    A logger belongs to the thread that trains. With ``waiting`` numbers wait until that thread calls `deliver`, as
    `htmu_diag.integrations.lightning.SpectraCallback` does after each batch; without, they are given at once.

    scalars: "few" or "all" numbers of each layer, as `htmu_diag.sinks.TensorBoardSink` has it.
    """

    def __init__(self, loggers: Logger | Sequence[Logger], *, scalars: Scalars = "few", waiting: bool = False) -> None:
        self._loggers = list(loggers) if isinstance(loggers, Sequence) else [loggers]
        self._scalars, self._waiting = scalars, waiting
        self._queue: deque[tuple[int, dict[str, float]]] = deque()

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        """Nothing to prepare."""

    def write(self, record: StepRecord) -> None:
        self._queue.append((record.step, numbers(record, self._scalars, own="htmu/")))
        if not self._waiting:
            self.deliver()

    def deliver(self) -> None:
        """Give what waits to the loggers; on the thread that trains."""
        while self._queue:
            step, values = self._queue.popleft()
            for logger in self._loggers:
                logger.log_metrics(dict(values), step=step)

    def close(self) -> None:
        """Nothing to flush: what still waits is delivered by the thread that trains."""
