"""SpectraCallback in a real Lightning Trainer."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, TensorDataset

from htmu_diag import load_run
from htmu_diag.integrations.lightning import SpectraCallback

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's advice about workers


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


@pytest.fixture
def loader() -> DataLoader[Any]:
    torch.manual_seed(0)
    return DataLoader(TensorDataset(torch.randn(64, 6), torch.randn(64, 2)), batch_size=8)  # 8 batches


def fitted(folder: Path, callback: SpectraCallback, loader: Any, *, module: Lit | None = None, **choices: Any) -> Lit:
    torch.manual_seed(1)
    module, checkpoint = module or Lit(), choices.pop("ckpt_path", None)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    callbacks = [callback, *choices.pop("callbacks", [])]
    trainer = Trainer(default_root_dir=folder, callbacks=callbacks, **quiet, **choices)
    trainer.fit(module, loader, loader, ckpt_path=checkpoint)
    return module


def test_it_counts_optimizer_steps_under_accumulation_and_validation(tmp_path: Path, loader: Any) -> None:
    logger = CSVLogger(tmp_path, name="csv")
    fitted(tmp_path, SpectraCallback(every=2), loader, max_epochs=2, accumulate_grad_batches=2, logger=logger)
    run = load_run(Path(logger.log_dir) / "htmu")
    assert run.steps == (0, 2, 4, 6, 8)
    assert run.names() == ("net.0.weight", "net.2.weight")


def test_a_fit_resumed_from_a_checkpoint_continues_the_folder(tmp_path: Path, loader: Any) -> None:
    saving = ModelCheckpoint(dirpath=tmp_path, every_n_train_steps=5, save_top_k=-1, filename="{step}")
    first = SpectraCallback(tmp_path / "run", every=3)
    fitted(tmp_path, first, loader, max_epochs=1, logger=False, callbacks=[saving])
    assert load_run(tmp_path / "run").steps == (0, 3, 6)
    second, resumed = SpectraCallback(tmp_path / "run", every=3), tmp_path / "step=5.ckpt"
    fitted(tmp_path, second, loader, max_epochs=2, logger=False, ckpt_path=resumed, enable_checkpointing=False)
    assert load_run(tmp_path / "run").steps == (0, 3, 6, 9, 12, 15)
    assert second.monitor is not None
    assert second.monitor.steps_taken == 16


def test_training_is_bit_identical_with_the_callback(tmp_path: Path, loader: Any) -> None:
    callback = SpectraCallback(tmp_path / "run", every=1, probes=["weights", "trajectory"])
    choices = {"max_epochs": 1, "logger": False, "enable_checkpointing": False}
    watched = fitted(tmp_path, callback, loader, **choices)
    plain = fitted(tmp_path, SpectraCallback(tmp_path / "never", every=[]), loader, **choices)
    torch.testing.assert_close(watched.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_an_exception_of_the_fit_closes_the_run(tmp_path: Path, loader: Any) -> None:
    callback = SpectraCallback(tmp_path / "run", every=1)
    with pytest.raises(ValueError, match="diverged"):
        fitted(tmp_path, callback, loader, module=Failing(), max_epochs=1, logger=False, num_sanity_val_steps=0)
    assert callback.monitor is not None
    assert callback.monitor.closed
    assert load_run(tmp_path / "run").steps == (0, 1, 2, 3, 4, 5)


def test_a_checkpoint_saved_after_the_fit_and_a_second_fit_work(tmp_path: Path, loader: Any) -> None:
    callback, saving = SpectraCallback(tmp_path / "run", every=4), ModelCheckpoint(tmp_path, save_last=True)
    choices = {"logger": False, "max_epochs": 1}
    module = fitted(tmp_path, callback, loader, callbacks=[saving], **choices)
    module.trainer.save_checkpoint(tmp_path / "after.ckpt")
    states = [torch.load(tmp_path / name, weights_only=False)["callbacks"] for name in ("last.ckpt", "after.ckpt")]
    assert [state["SpectraCallback"] for state in states] == [{"step": 8}] * 2
    fitted(tmp_path, callback, loader, **choices)
    assert callback.monitor is not None
    assert callback.monitor.steps_taken == 8  # a fit of its own, not the continuation of the first one
    fitted(tmp_path, callback, loader, logger=False, max_epochs=2, ckpt_path=tmp_path / "after.ckpt")
    assert load_run(tmp_path / "run").steps == (0, 4, 8, 12, 16)


def test_the_trainer_s_loggers_get_the_spectra_and_lose_none_of_its_own_steps(tmp_path: Path, loader: Any) -> None:
    class Logging(Lit):
        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            loss = super().training_step(batch, index)
            if self.trainer.training:
                self.log("loss", loss)
            return loss

    logger = CSVLogger(tmp_path, name="csv")
    callback = SpectraCallback(every=2, sinks=["lightning", "jsonl"])
    fitted(tmp_path, callback, loader, module=Logging(), max_epochs=1, logger=logger, log_every_n_steps=1)
    with open(Path(logger.log_dir) / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows if row["loss"]] == list(range(8))
    assert [int(row["step"]) for row in rows if row["weights_stable_rank/net.0.weight"]] == [0, 2, 4, 6, 8]
    lines = (Path(logger.log_dir) / "htmu" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
