"""Weights & Biases: a second run in the group of the training's own, or one record merged into each of its steps.

A W&B run has one counter of steps for all that is logged to it. A late record that named its step would be dropped, and
one that named none would advance the counter, so that the training's next ``log(..., step=s)`` is dropped instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from htmu_diag.analysis.record import StepRecord
from htmu_diag.extras import imported
from htmu_diag.sinks.scalars import Scalars
from htmu_diag.sinks.trackers.common import numbers, plain
from htmu_diag.sinks.trackers.merged import Merged

__all__ = ["WandbSink", "unseen_by_wandb"]


class WandbSink:
    """Logs to Weights & Biases (``pip install htmu_diag[wandb]``); ``WANDB_MODE=offline`` and the like work as usual.

    directory: the run's folder, which names the W&B run.
    merged: False, the default: a second run of job type "spectra" in the project and group of the run that is active
        when the sink is made (the group is its id where it has none: give yours one by ``wandb.init(group=...)``), at
        the training's own steps. True: the records go into the active run, under ``htmu/``, at most one with each of
        its steps; what is left at the end, and everything where no run is active, goes to a second run.
    scalars: "few" or "all" numbers of each layer, as `htmu_diag.sinks.TensorBoardSink` has it.
    init: what else `wandb.init` takes (project, entity, name, tags, ...).

    A resumed training begins another run in the same group. Raises MissingPackage where wandb is not installed.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        merged: bool = False,
        scalars: Scalars = "few",
        **init: Any,
    ) -> None:
        self._wandb = imported("wandb", "the sink 'wandb'")
        self._name, self._scalars, self._init = Path(directory).name, scalars, init
        self._theirs = self._wandb.run
        self._merging = merged and self._theirs is not None
        self._config: dict[str, Any] = {}
        self._second: Any = None
        self._merged: Merged | None = None

    def open(self, run: Mapping[str, Any], *, start_step: int) -> None:
        """Begin the second run, or merging into the first."""
        self.close()
        self._config = {**plain(run.get("config")), "start_step": start_step}
        if self._merging:
            self._merged = Merged(self._theirs, self._wandb.errors.UsageError)
        else:
            self._second = self._begun()

    def write(self, record: StepRecord) -> None:
        if self._merged is not None:
            self._merged.add(record.step, numbers(record, self._scalars))
        else:
            self._second.log({**numbers(record, self._scalars), **_events(record)}, step=record.step)

    def close(self) -> None:
        """End the second run; harmless when called twice."""
        left = self._merged.close() if self._merged is not None else []
        if left and self._second is None:
            self._second = self._begun()
        for step, values in left:
            self._second.log(values, step=step)
        if self._second is not None:
            self._second.finish()
        self._merged = self._second = None

    def _begun(self) -> Any:
        given: dict[str, Any] = {"name": f"{self._name} spectra", "job_type": "spectra", "config": self._config}
        if self._theirs is not None:
            given["project"], given["entity"] = self._theirs.project, self._theirs.entity or None
            given["group"] = self._theirs.group or self._theirs.id
        return self._wandb.init(**{**given, **self._init}, reinit="create_new")


def unseen_by_wandb(sinks: Iterable[object]) -> str:
    """A sentence where W&B was asked to copy TensorBoard's numbers and no sink brings it ours; else nothing.

    W&B follows torch's and tensorboardX's writers only, and this package's events come from neither.
    """
    run = getattr(sys.modules.get("wandb"), "run", None)
    copies = run is not None and bool(run.settings.sync_tensorboard)
    if not copies or any(isinstance(sink, WandbSink) for sink in sinks):
        return ""
    return 'wandb.init(sync_tensorboard=True) does not see the spectra\'s event files; pass sinks=["wandb"] to watch'


def _events(record: StepRecord) -> dict[str, str]:
    return {"run/events": "\n".join(record.events)} if record.events else {}
