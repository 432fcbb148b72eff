"""python scripts/gan_lightning.py [--steps 200] [--out runs/gan]

A GAN in Lightning with manual optimization: generator and discriminator are watched side by side, each in a folder of
its own and counted by its own optimizer. Points on a circle are learned.
"""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils.data import DataLoader, TensorDataset

import htmu_diag

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--every", type=int, default=25, help="steps between two measurements")
parser.add_argument("--out", default="runs/gan", help="a new folder, with one run for each of the two models")
chosen = parser.parse_args()


def mlp(*widths: int) -> nn.Sequential:
    layers = [(nn.Linear(i, o), nn.ReLU()) for i, o in itertools.pairwise(widths)]
    return nn.Sequential(*[part for pair in layers for part in pair][:-1])


class GAN(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = mlp(16, 64, 64, 2), mlp(2, 64, 64, 1)

    def training_step(self, batch: list[Tensor], index: int) -> None:
        real, ones = batch[0], torch.ones(len(batch[0]), 1)
        of_generator, of_discriminator = self.optimizers()  # type: ignore[attr-defined]
        fake = self.generator(torch.randn(len(real), 16))
        loss = bce(self.discriminator(real), ones) + bce(self.discriminator(fake.detach()), 0 * ones)
        for optimizer, value in ((of_discriminator, loss), (of_generator, None)):
            optimizer.zero_grad()
            self.manual_backward(bce(self.discriminator(fake), ones) if value is None else value)
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(part.parameters(), lr=1e-3) for part in (self.generator, self.discriminator)]


class Spectra(Callback):  # htmu: the whole of it
    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        names = ("generator", "discriminator")
        self.monitors = [
            htmu_diag.watch(getattr(pl_module, name), optimizer, log_dir=Path(chosen.out) / name, every=chosen.every)
            for name, optimizer in zip(names, trainer.optimizers, strict=True)
        ]

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        for monitor in self.monitors:
            monitor.close()


torch.manual_seed(0)
angles = 2 * math.pi * torch.rand(32 * chosen.steps)
loader = DataLoader(TensorDataset(torch.stack([angles.cos(), angles.sin()], 1)), batch_size=32)
quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
trainer = Trainer(max_epochs=1, accelerator="cpu", callbacks=[Spectra()], enable_model_summary=False, **quiet)
trainer.fit(GAN(), loader)
print(f"htmu compare {chosen.out}/generator {chosen.out}/discriminator")
