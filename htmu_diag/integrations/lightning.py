"""Lightning: a callback that watches the module while ``trainer.fit`` runs.

Steps are optimizer steps, so gradient accumulation and validation loops need no care. The step count is part of every
checkpoint: a resumed fit continues the same folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from htmu_diag.extras import missing

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ModuleNotFoundError as error:
    raise missing("SpectraCallback", error) or error from None

from htmu_diag.monitor import Monitor, watch
from htmu_diag.sinks import LoggerSink
from htmu_diag.sinks.chosen import SinkLike

__all__ = ["SpectraCallback"]


class SpectraCallback(Callback):
    """Measures spectra during ``fit``.

    log_dir: the run's folder; by default ``htmu`` in the logger's folder: a TensorBoard run beside the logger's own,
        for two writers in one run starve each other.
    sinks: as for `htmu_diag.watch`, and "lightning": the Trainer's loggers, which get the numbers after a batch's end.
    choices: everything else that `htmu_diag.watch` takes (every, probes, batch, loss_fn, ...).
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] | None = None, sinks: Sequence[SinkLike] | None = None, **choices: Any
    ) -> None:
        self._log_dir, self._sinks, self._choices = log_dir, sinks, choices
        self._loggers: LoggerSink | None = None
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
        sinks = self._sinks_of(trainer)
        self.monitor = watch(pl_module, optimizer, log_dir=folder, start_step=start, sinks=sinks, **choices)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Give the Trainer's loggers what was diagnosed meanwhile."""
        if self._loggers is not None:
            self._loggers.deliver()

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
        if self._loggers is not None:
            self._loggers.deliver()

    def _sinks_of(self, trainer: Trainer) -> list[SinkLike] | None:
        """The chosen sinks, the name "lightning" replaced by the Trainer's loggers."""
        if self._sinks is None:
            return None
        named = [self._sinks] if isinstance(self._sinks, str) else list(self._sinks)
        self._loggers = LoggerSink(trainer.loggers, waiting=True) if "lightning" in named else None
        return [self._loggers if self._loggers and sink == "lightning" else sink for sink in named]
