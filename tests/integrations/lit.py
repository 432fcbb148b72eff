"""Modules of Lightning that train in a moment, and a Trainer for them."""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from htmu_diag.integrations.lightning import SpectraCallback

__all__ = ["CSVLogger", "Classifying", "Failing", "Lit", "Logging", "ModelCheckpoint", "SpectraCallback", "fitted"]


class Lit(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 2))

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val", self.training_step(batch, index))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())


class Failing(Lit):
    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        if index == 5:
            raise ValueError("diverged")
        return super().training_step(batch, index)


class Logging(Lit):
    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        loss = super().training_step(batch, index)
        if self.trainer.training:
            self.log("loss", loss)
        return loss


class Classifying(LightningModule):
    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fitted(folder: Path, callback: SpectraCallback, loader: Any, *, module: Lit | None = None, **choices: Any) -> Lit:
    torch.manual_seed(1)
    module, checkpoint = module or Lit(), choices.pop("ckpt_path", None)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    callbacks = [callback, *choices.pop("callbacks", [])]
    trainer = Trainer(default_root_dir=folder, callbacks=callbacks, **quiet, **choices)
    trainer.fit(module, loader, loader, ckpt_path=checkpoint)
    return module
