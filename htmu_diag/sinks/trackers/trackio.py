"""trackio: a second run in the project and group of the training's own.

``trackio.init`` finishes the run of its context and takes its place. Here it is called in an empty context, so the
training's run goes on and ``trackio.log`` still means it.
"""

from __future__ import annotations

import contextvars
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from htmu_diag.analysis.record import StepRecord
from htmu_diag.extras import imported
from htmu_diag.sinks.scalars import Scalars
from htmu_diag.sinks.trackers.common import numbers, plain

__all__ = ["TrackioSink"]

_PROJECT = "htmu_diag"  # where no run says otherwise


class TrackioSink:
    """Logs to trackio (``pip install htmu_diag[trackio]``): a local database unless ``space_id`` is given.

    directory: the run's folder, which names the run.
    scalars: "few" or "all" numbers of each layer, as `htmu_diag.sinks.TensorBoardSink` has it.
    init: what else `trackio.init` takes (project, group, space_id, ...); project and group are by default those of the
        run that is active when the sink is made.

    A resumed training begins another run in the same group. Raises MissingPackage where trackio is not installed.
    """

    def __init__(self, directory: str | os.PathLike[str], *, scalars: Scalars = "few", **init: Any) -> None:
        self._trackio = imported("trackio", "the sink 'trackio'")
        self._name, self._scalars, self._init = Path(directory).name, scalars, init
        self._theirs = imported("trackio.context_vars", "the sink 'trackio'").current_run.get()
        self._run: Any = None
        self._said: set[str] = set()  # what went wrong, of which a layer has much to say

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        """Begin the run; the one of the training stays as it is."""
        self.close()
        config = self._trackio.config
        choices = {"auto_log_cpu": False, "auto_log_gpu": False, "embed": False, **self._place(), **self._init}
        given = {**plain(run.get("config")), "start_step": start_step}
        self._run = contextvars.Context().run(self._trackio.init, config=_allowed(given), **choices)
        self._trackio.config = config

    def write(self, record: StepRecord) -> None:
        self._run.log(numbers(record, self._scalars), step=record.step)
        for event in dict.fromkeys(record.events):
            if event not in self._said:
                self._run.alert("htmu_diag", event)
        self._said.update(record.events)

    def close(self) -> None:
        """End the run; harmless when called twice."""
        if self._run is not None:
            self._run.finish()
        self._run = None

    def _place(self) -> dict[str, Any]:
        if self._theirs is None:
            return {"project": _PROJECT, "name": self._name}
        group = self._theirs.group or self._theirs.name
        return {"project": self._theirs.project, "group": group, "name": f"{self._theirs.name} spectra"}


def _allowed(config: Mapping[str, Any]) -> dict[str, Any]:
    """trackio keeps names that begin with an underscore to itself."""
    return {name.lstrip("_"): value for name, value in config.items()}
