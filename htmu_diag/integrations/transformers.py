"""Hugging Face Trainer: a callback that watches the model while ``trainer.train`` runs.

With Accelerate no callback is needed: ``watch(model, optimizer, ...)`` after ``accelerator.prepare`` is enough.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from htmu_diag.extras import missing

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ModuleNotFoundError as error:
    raise missing("SpectraTrainerCallback", error) or error from None

from htmu_diag.monitor import Monitor, watch

__all__ = ["SpectraTrainerCallback"]


class SpectraTrainerCallback(TrainerCallback):
    """Measures spectra during training; a training resumed from a checkpoint continues the same folder.

    log_dir: the run's folder; by default ``htmu`` in the Trainer's ``output_dir``. Each trial of a search has a folder
        in it, by the trial's name, or ``trial-0``, ``trial-1``, ... where ``hp_name`` gives none.
    choices: everything else that `htmu_diag.watch` takes (every, probes, batch, loss_fn, ...).
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, **choices: Any) -> None:
        self._log_dir, self._choices = log_dir, choices
        self.monitor: Monitor | None = None
        self._trials = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._close()
        folder = Path(self._log_dir or Path(args.output_dir or ".") / "htmu")
        if state.is_hyper_param_search or state.trial_name:
            folder /= _trial(state.trial_name) or f"trial-{self._trials}"
            self._trials += 1
        choices = {"log_dir": folder, **self._choices}
        self.monitor = watch(kwargs["model"], kwargs.get("optimizer"), start_step=state.global_step, **choices)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """The Trainer's own numbers, beside the spectra."""
        if self.monitor is not None and not self.monitor.closed:
            numbers = {k: v for k, v in (kwargs.get("logs") or {}).items() if isinstance(v, (int, float))}
            self.monitor.log({f"train/{name}": value for name, value in numbers.items()})

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self.monitor is not None:
            self.monitor.close()


def _trial(name: str | None) -> str:
    """A trial's name as that of one folder, "" for none."""
    return re.sub(r"[^\w.=+-]+", "_", name or "").strip("._")[:100]
