"""Late records given to Lightning's loggers cost the training none of its steps: both are counted, in each store."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from htmu_diag.analysis import StepRecord
from htmu_diag.sinks import LoggerSink
from tests.later import Later
from tests.sinks.wandb_files import read_runs

pytestmark = pytest.mark.xdist_group("lightning")
loggers = Later("lightning.pytorch.loggers", "lightning")

TAG = "weights_alpha/blocks.2.up"
STEPS, LATE = tuple(range(12)), (0, 3, 6, 9)

Steps = tuple[list[int], list[int]]  # those of the training's own numbers, those of the records


def logged(logger: Any, record: Callable[..., StepRecord]) -> None:
    """A training of twelve steps; the records of the first come at the eighth, when the training is further."""
    sink = LoggerSink(logger, waiting=True)
    for step in STEPS:
        logger.log_metrics({"loss": step / 10}, step=step)
        if step in (8, 11):
            for late in LATE[:3] if step == 8 else LATE[3:]:
                sink.write(record(late))
            sink.deliver()
    sink.close()
    logger.finalize("success")


def in_csv(folder: Path, record: Callable[..., StepRecord]) -> Steps:
    logger = loggers.CSVLogger(folder, name="csv")
    logged(logger, record)
    rows = list(csv.DictReader((Path(logger.log_dir) / "metrics.csv").read_text(encoding="utf-8").splitlines()))
    return [int(row["step"]) for row in rows if row["loss"]], [int(row["step"]) for row in rows if row[TAG]]


def in_tensorboard(folder: Path, record: Callable[..., StepRecord]) -> Steps:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = loggers.TensorBoardLogger(folder)
    logged(logger, record)
    events = EventAccumulator(logger.log_dir).Reload()
    return [event.step for event in events.Scalars("loss")], [event.step for event in events.Scalars(TAG)]


def in_mlflow(folder: Path, record: Callable[..., StepRecord]) -> Steps:
    logger = loggers.MLFlowLogger("spectra", tracking_uri=(folder / "store").as_uri())
    logged(logger, record)
    history = logger.experiment.get_metric_history
    own, late = history(logger.run_id, "loss"), history(logger.run_id, TAG)
    return sorted(metric.step for metric in own), sorted(metric.step for metric in late)


def in_wandb(folder: Path, record: Callable[..., StepRecord]) -> Steps:
    import wandb

    logger = loggers.WandbLogger(project="p", save_dir=folder, offline=True)
    logged(logger, record)
    logger.experiment.finish()
    wandb.teardown()
    [rows] = read_runs(folder).values()
    axis = "trainer/global_step"
    return [row[axis] for row in rows if "loss" in row], [row[axis] for row in rows if TAG in row]


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))


@pytest.mark.filterwarnings("ignore")  # of the loggers
@pytest.mark.parametrize("steps_in", [in_csv, in_tensorboard, in_mlflow, in_wandb])
def test_a_logger_keeps_the_training_s_steps_and_gets_every_record(
    steps_in: Callable[..., Steps], record: Callable[..., StepRecord], tmp_path: Path
) -> None:
    own, late = steps_in(tmp_path, record)
    assert own == list(STEPS)
    assert late == list(LATE)
