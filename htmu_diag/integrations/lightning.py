"""Lightning: a callback that watches the module while ``trainer.fit`` runs.

Steps are optimizer steps, so gradient accumulation and validation loops need no care. The step count is part of every
checkpoint: a resumed fit continues the same folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from htmu_diag.monitor import Monitor, watch

__all__ = ["SpectraCallback"]


class SpectraCallback(Callback):
    """Measures spectra during ``fit``.

    log_dir: the run's folder; by default ``htmu`` in the logger's folder: a TensorBoard run beside the logger's own,
        for two writers in one run starve each other.
    choices: everything else that `htmu_diag.watch` takes (every, probes, batch, loss_fn, ...).
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, **choices: Any) -> None:
        self._log_dir, self._choices = log_dir, choices
        self._restored: int | None = None  # steps taken, out of a checkpoint
        self.monitor: Monitor | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After a checkpoint was restored and the sanity validation is over."""
        folder = self._log_dir or Path(trainer.log_dir or trainer.default_root_dir) / "htmu"
        self._close()
        start, self._restored = trainer.global_step if self._restored is None else self._restored, None
        optimizer = trainer.optimizers[0] if trainer.optimizers else None
        choices = dict(self._choices)
        if choices.get("batch") is not None:
            choices["batch"] = trainer.strategy.batch_to_device(choices["batch"])
        self.monitor = watch(pl_module, optimizer, log_dir=folder, start_step=start, **choices)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._close()

    def state_dict(self) -> dict[str, Any]:
        """Optimizer steps taken, for the checkpoint; what it follows is stored before it."""
        if self.monitor is None:
            return {}
        self.monitor.flush()
        return {"step": self.monitor.steps_taken}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict.get("step")

    def _close(self) -> None:
        if self.monitor is not None:
            self.monitor.close()
