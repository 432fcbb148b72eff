"""SpectraCallback in a real Lightning Trainer."""

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from htmu_diag import load_run
from tests.later import Later

# Lightning's advice about workers; one process of a run imports Lightning.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("lightning")]
lit = Later("tests.integrations.lit", "lightning")


@pytest.fixture
def loader() -> DataLoader[Any]:
    torch.manual_seed(0)
    return DataLoader(TensorDataset(torch.randn(64, 6), torch.randn(64, 2)), batch_size=8)  # 8 batches


def test_it_counts_optimizer_steps_under_accumulation_and_validation(tmp_path: Path, loader: Any) -> None:
    logger = lit.CSVLogger(tmp_path, name="csv")
    lit.fitted(tmp_path, lit.SpectraCallback(every=2), loader, max_epochs=2, accumulate_grad_batches=2, logger=logger)
    run = load_run(Path(logger.log_dir) / "htmu")
    assert run.steps == (0, 2, 4, 6, 8)
    assert run.names() == ("net.0.weight", "net.2.weight")


def test_a_fit_resumed_from_a_checkpoint_continues_the_folder(tmp_path: Path, loader: Any) -> None:
    saving = lit.ModelCheckpoint(dirpath=tmp_path, every_n_train_steps=5, save_top_k=-1, filename="{step}")
    first = lit.SpectraCallback(tmp_path / "run", every=3)
    lit.fitted(tmp_path, first, loader, max_epochs=1, logger=False, callbacks=[saving])
    assert load_run(tmp_path / "run").steps == (0, 3, 6)
    second, resumed = lit.SpectraCallback(tmp_path / "run", every=3), tmp_path / "step=5.ckpt"
    lit.fitted(tmp_path, second, loader, max_epochs=2, logger=False, ckpt_path=resumed, enable_checkpointing=False)
    assert load_run(tmp_path / "run").steps == (0, 3, 6, 9, 12, 15)
    assert second.monitor is not None
    assert second.monitor.steps_taken == 16


def test_training_is_bit_identical_with_the_callback(tmp_path: Path, loader: Any) -> None:
    callback = lit.SpectraCallback(tmp_path / "run", every=1, probes=["weights", "trajectory"])
    choices = {"max_epochs": 1, "logger": False, "enable_checkpointing": False}
    watched = lit.fitted(tmp_path, callback, loader, **choices)
    plain = lit.fitted(tmp_path, lit.SpectraCallback(tmp_path / "never", every=[]), loader, **choices)
    torch.testing.assert_close(watched.state_dict(), plain.state_dict(), rtol=0, atol=0)


def test_an_exception_of_the_fit_closes_the_run(tmp_path: Path, loader: Any) -> None:
    callback = lit.SpectraCallback(tmp_path / "run", every=1)
    with pytest.raises(ValueError, match="diverged"):
        lit.fitted(tmp_path, callback, loader, module=lit.Failing(), max_epochs=1, logger=False, num_sanity_val_steps=0)
    assert callback.monitor is not None
    assert callback.monitor.closed
    assert load_run(tmp_path / "run").steps == (0, 1, 2, 3, 4, 5)


def test_a_checkpoint_saved_after_the_fit_and_a_second_fit_work(tmp_path: Path, loader: Any) -> None:
    callback, saving = lit.SpectraCallback(tmp_path / "run", every=4), lit.ModelCheckpoint(tmp_path, save_last=True)
    choices = {"logger": False, "max_epochs": 1}
    module = lit.fitted(tmp_path, callback, loader, callbacks=[saving], **choices)
    module.trainer.save_checkpoint(tmp_path / "after.ckpt")
    states = [torch.load(tmp_path / name, weights_only=False)["callbacks"] for name in ("last.ckpt", "after.ckpt")]
    assert [state["SpectraCallback"] for state in states] == [{"step": 8}] * 2
    lit.fitted(tmp_path, callback, loader, **choices)
    assert callback.monitor is not None
    assert callback.monitor.steps_taken == 8  # a fit of its own, not the continuation of the first one
    lit.fitted(tmp_path, callback, loader, logger=False, max_epochs=2, ckpt_path=tmp_path / "after.ckpt")
    assert load_run(tmp_path / "run").steps == (0, 4, 8, 12, 16)


def test_the_trainer_s_loggers_get_the_spectra_and_lose_none_of_its_own_steps(tmp_path: Path, loader: Any) -> None:
    logger = lit.CSVLogger(tmp_path, name="csv")
    callback = lit.SpectraCallback(every=2, sinks=["lightning", "jsonl"])
    lit.fitted(tmp_path, callback, loader, module=lit.Logging(), max_epochs=1, logger=logger, log_every_n_steps=1)
    with open(Path(logger.log_dir) / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows if row["loss"]] == list(range(8))
    assert [int(row["step"]) for row in rows if row["weights_stable_rank/net.0.weight"]] == [0, 2, 4, 6, 8]
    lines = (Path(logger.log_dir) / "htmu" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
