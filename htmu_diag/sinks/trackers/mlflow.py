"""MLflow: metrics with their steps, in any order, so a late record costs nothing."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from htmu_diag.analysis.record import StepRecord
from htmu_diag.extras import imported
from htmu_diag.sinks.hparams import flattened
from htmu_diag.sinks.scalars import Scalars
from htmu_diag.sinks.trackers.common import numbers

__all__ = ["MLflowSink"]

T = TypeVar("T")
_METRICS, _PARAMETERS, _NAME = 1000, 100, 250  # what MLflow takes: a batch of each, letters in a name
_FORBIDDEN = re.compile(r"[^\w\-. :/]")


class MLflowSink:
    """Logs to MLflow (``pip install htmu_diag[mlflow]``): to the run that is active when the sink is made, with the
    training's own numbers under ``htmu/``; where there is none, to a run of its own in the current experiment.

    directory: the run's folder, which names a run of its own.
    scalars: "few" or "all" numbers of each layer, as `htmu_diag.sinks.TensorBoardSink` has it.

    The tracking server is the one that ``MLFLOW_TRACKING_URI`` or `mlflow.set_tracking_uri` names. Letters that MLflow
    does not take in names become underscores. Raises MissingPackage where mlflow is not installed.
    """

    def __init__(self, directory: str | os.PathLike[str], *, scalars: Scalars = "few") -> None:
        self._mlflow = imported("mlflow", "the sink 'mlflow'")
        self._name, self._scalars = Path(directory).name, scalars
        active = self._mlflow.active_run()  # of this thread; the worker's has none
        self._theirs = active.info.run_id if active is not None else None
        self._run: str | None = None
        self._client: Any = None

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        """Take the active run, or begin one."""
        self.close()
        self._client = self._mlflow.MlflowClient()
        self._run = self._theirs or self._begun({**flattened(run.get("config") or {}), "start_step": start_step})

    def write(self, record: StepRecord) -> None:
        values = numbers(record, self._scalars, own="htmu/" if self._theirs else "")
        metric, when = self._mlflow.entities.Metric, int(1000 * record.wall_time)
        metrics = [metric(_name(tag), value, when, record.step) for tag, value in values.items()]
        for batch in _batches(metrics, _METRICS):
            self._client.log_batch(self._run, metrics=batch)

    def close(self) -> None:
        """End a run of its own; harmless when called twice."""
        if self._run is not None and self._theirs is None:
            self._client.set_terminated(self._run)
        self._run = None

    def _begun(self, config: Mapping[str, Any]) -> str:
        """A run in the experiment that the user chose, and no longer the active one of this thread."""
        with self._mlflow.start_run(run_name=self._name) as begun:
            identity: str = begun.info.run_id
        self._client.update_run(identity, status="RUNNING")
        parameter = self._mlflow.entities.Param
        for batch in _batches([parameter(_name(key), str(value)) for key, value in config.items()], _PARAMETERS):
            self._client.log_batch(identity, params=batch)
        return identity


def _name(tag: str) -> str:
    """A name that MLflow takes; a long one keeps its beginning and a checksum of the whole."""
    allowed = _FORBIDDEN.sub("_", tag)
    return allowed if len(allowed) <= _NAME else f"{allowed[: _NAME - 9]}_{zlib.crc32(tag.encode()):08x}"


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
