"""Late records cost the training none of its own steps, in the trackers themselves: both are counted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from htmu_diag import watch
from htmu_diag.analysis import StepRecord
from htmu_diag.config import load_config
from htmu_diag.errors import InputError, MissingPackage
from htmu_diag.sinks import LoggerSink, MLflowSink, TrackioSink, WandbSink
from htmu_diag.sinks.chosen import chosen_sinks
from htmu_diag.sinks.trackers import unseen_by_wandb
from htmu_diag.training import train as training
from tests.sinks.wandb_files import read_runs

Make = Callable[..., StepRecord]
TAG = "weights_alpha/blocks.2.up"
STEPS, LATE = range(12), (0, 3, 6)  # the training's own steps; steps whose records come when it is further


def train(log: Callable[[int], object], write: Callable[[int], object], until: Callable[[], object] = int) -> None:
    """A training that logs each step; the records of three earlier ones come at once at the eighth, one at the end."""
    for step in STEPS:
        log(step)
        if step == 8:
            for late in LATE:
                write(late)
        until()
    write(9)


def rows_of(wandb: Any, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Run id -> rows; a file is whole once W&B's own process has ended."""
    wandb.teardown()
    return read_runs(folder)


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in {"MODE": "offline", "SILENT": "true", "DIR": str(tmp_path)}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    import wandb

    yield wandb
    wandb.teardown()


def test_wandb_gets_a_second_run_in_the_group_and_the_training_keeps_its_steps(
    wandb: Any, record: Make, tmp_path: Path
) -> None:
    own = wandb.init(project="p", group="trial 7")
    sink = WandbSink(tmp_path / "run")
    sink.open({"config": {"lr": 0.1, "folder": tmp_path}}, start_step=0)
    second = sink._second
    assert wandb.run is own
    assert (second.project, second.group, second.job_type, second.config["lr"]) == ("p", "trial 7", "spectra", 0.1)
    train(lambda step: own.log({"loss": step / 10}, step=step), lambda step: sink.write(record(step)))
    sink.close()
    sink.close()
    own.finish()
    rows = rows_of(wandb, tmp_path)
    assert [row["_step"] for row in rows[own.id] if "loss" in row] == list(STEPS)
    assert [row["_step"] for row in rows[second.id] if TAG in row] == [*LATE, 9]
    assert rows[second.id][1][TAG] == record(3).metrics()[TAG]


def test_wandb_merges_one_record_into_each_of_the_training_s_rows(wandb: Any, record: Make, tmp_path: Path) -> None:
    own = wandb.init(project="p")
    sink = WandbSink(tmp_path / "run", merged=True)
    sink.open({}, start_step=0)
    merged = sink._merged
    assert merged is not None

    def settle() -> None:  # a step of a training is longer than the pause between two looks
        before = len(merged._waiting)
        deadline = time.monotonic() + 2
        while merged._waiting and len(merged._waiting) == before and time.monotonic() < deadline:
            time.sleep(0.01)

    train(lambda step: own.log({"loss": step / 10}, step=step), lambda step: sink.write(record(step)), settle)
    sink.write(record(12))  # no row is left for this one
    sink.close()
    own.finish()
    rows = rows_of(wandb, tmp_path)
    mine = rows.pop(own.id)
    assert [row["_step"] for row in mine if "loss" in row] == list(STEPS)
    in_mine = [row["htmu/step"] for row in mine if f"htmu/{TAG}" in row]
    in_second = [row["_step"] for row in next(iter(rows.values())) if TAG in row]
    assert in_mine[:3] == list(LATE)
    assert [*in_mine, *in_second] == [*LATE, 9, 12]
    assert in_second


def test_a_record_that_is_simply_logged_costs_the_training_steps(wandb: Any, record: Make, tmp_path: Path) -> None:
    """What the two ways are there for: as W&B's own advice has it, with an axis of one's own and without a step."""
    own = wandb.init(project="p")
    train(
        lambda step: own.log({"loss": step / 10}, step=step),
        lambda step: own.log({**record(step).metrics(), "htmu/step": step}),
    )
    own.finish()
    assert len([row for row in rows_of(wandb, tmp_path)[own.id] if "loss" in row]) < len(STEPS)


def test_trackio_gets_a_second_run_and_the_training_s_goes_on(
    record: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trackio
    from trackio import sqlite_storage

    for module in (sqlite_storage, trackio.utils):
        monkeypatch.setattr(module, "TRACKIO_DIR", tmp_path)
    own = trackio.init(project="p", name="mine", config={"lr": 0.1}, auto_log_cpu=False, embed=False)
    sink = TrackioSink(tmp_path / "run")
    sink.open({"config": {"_width": 64}}, start_step=0)
    assert trackio.config is own.config
    train(lambda step: trackio.log({"loss": step / 10}, step=step), lambda step: sink.write(record(step)))
    for step in (10, 11):
        sink.write(StepRecord(step, 1.0, events=("fc2: NaN",)))
    sink.close()
    sink.close()
    trackio.finish()
    logs = {name: sqlite_storage.SQLiteStorage.get_logs("p", name) for name in ("mine", "mine spectra")}
    assert [row["step"] for row in logs["mine"] if "loss" in row] == list(STEPS)
    assert [row["step"] for row in logs["mine spectra"] if TAG in row] == [*LATE, 9]
    alerts = sqlite_storage.SQLiteStorage.get_alerts("p")
    assert [(alert["text"], alert["step"]) for alert in alerts] == [("fc2: NaN", 10)]


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The file store: MLflow's own calls, without the seconds in which it makes a database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        import mlflow

        mlflow.set_tracking_uri((tmp_path_factory.mktemp("mlflow") / "store").as_uri())
        yield mlflow
        mlflow.set_tracking_uri(None)


def steps_of(mlflow: Any, run: str, tag: str) -> list[int]:
    return sorted(metric.step for metric in mlflow.MlflowClient().get_metric_history(run, tag))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_mlflow_takes_late_records_into_the_active_run(mlflow: Any, record: Make, tmp_path: Path) -> None:
    with mlflow.start_run() as own:
        sink = MLflowSink(tmp_path / "run")
        sink.open({}, start_step=0)

        def write(step: int) -> None:
            sink.write(record(step, scalars={"loss": 7.0}))

        train(lambda step: mlflow.log_metric("loss", step / 10, step=step), write)
        sink.close()
        assert mlflow.active_run().info.run_id == own.info.run_id
    assert steps_of(mlflow, own.info.run_id, "loss") == list(STEPS)
    assert steps_of(mlflow, own.info.run_id, TAG) == [*LATE, 9]
    assert steps_of(mlflow, own.info.run_id, "htmu/loss") == [*LATE, 9]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_file_names_a_tracker_beside_tensorboard(mlflow: Any, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "{model: {name: mlp, widths: [24]}, data: {name: noise, samples: 64}, device: cpu, steps: 2, "
        "evaluate_every: 1, monitor: {every: 1, bootstrap: 0, sinks: [tensorboard, mlflow]}}"
    )
    with mlflow.start_run() as own:
        training(load_config(path, []), tmp_path / "run")
    assert steps_of(mlflow, own.info.run_id, "htmu/test/loss") == [0, 1, 2]
    assert steps_of(mlflow, own.info.run_id, "weights_stable_rank/fc1.weight") == [0, 1, 2]
    assert len(list((tmp_path / "run").glob("events.*"))) == 1


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_mlflow_gets_a_run_with_names_it_takes_where_none_is_active(mlflow: Any, record: Make, tmp_path: Path) -> None:
    sink = MLflowSink(tmp_path / "a run")
    sink.open({"config": {"optim": {"lr": 0.1}, "a+b": 1}}, start_step=0)
    assert mlflow.active_run() is None
    identity = sink._run
    client = mlflow.MlflowClient()
    assert client.get_run(identity).info.status == "RUNNING"
    long = "x" * 300
    sink.write(StepRecord(1, 2.0, scalars={"loss[0]": 1.0, long: 2.0, long + "y": 3.0}))
    sink.close()
    done = client.get_run(identity)
    assert (done.info.status, done.info.run_name) == ("FINISHED", "a run")
    assert (done.data.params["optim.lr"], done.data.params["a_b"]) == ("0.1", "1.0")
    assert done.data.metrics["loss_0_"] == 1.0
    assert len(done.data.metrics) == 3


class Pages:
    """A logger as Lightning has them."""

    def __init__(self) -> None:
        self.rows: list[tuple[int | None, dict[str, float]]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.append((step, metrics))


def test_a_logger_gets_its_numbers_when_the_training_asks(record: Make) -> None:
    at_once, waiting = Pages(), Pages()
    for pages in (at_once, waiting):
        sink = LoggerSink(pages, waiting=pages is waiting)
        sink.open({}, start_step=0)
        sink.write(record(5, scalars={"loss": np.nan, "lr": 0.5}))
        assert bool(pages.rows) == (pages is at_once)
        sink.deliver()
        sink.close()
        [(step, values)] = pages.rows
        assert (step, values["htmu/lr"]) == (5, 0.5)
        assert "htmu/loss" not in values
        assert values[TAG] == record(5).metrics()[TAG]


@pytest.mark.parametrize("name", ["wandb", "trackio", "mlflow"])
def test_a_missing_tracker_is_told_with_the_command_that_installs_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackage, match=rf"needs {name}, .*pip install 'htmu_diag\[{name}\]'"):
        watch(torch.nn.Linear(8, 8), log_dir=tmp_path / "run", sinks=["tensorboard", name])


def test_trackers_are_named_beside_tensorboard(wandb: Any, tmp_path: Path) -> None:
    own = wandb.init(project="p", group="g", sync_tensorboard=False)
    model = torch.nn.Linear(12, 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = watch(model, optimizer, log_dir=tmp_path / "run", every=1, sinks=["tensorboard", "wandb"])
    for step in range(3):
        model(torch.ones(2, 12)).square().mean().backward()
        optimizer.step()
        own.log({"loss": 1.0}, step=step)
    monitor.close()
    own.finish()
    rows = rows_of(wandb, tmp_path)
    assert [row["_step"] for row in rows.pop(own.id) if "loss" in row] == [0, 1, 2]
    [spectra] = rows.values()
    assert [row["_step"] for row in spectra if "weights_stable_rank/weight" in row] == [0, 1, 2, 3]
    assert list((tmp_path / "run").glob("events.*"))


def test_copied_tensorboard_numbers_are_said_to_lack_ours(wandb: Any, tmp_path: Path) -> None:
    own = wandb.init(project="p", sync_tensorboard=True)
    try:
        assert "wandb" in unseen_by_wandb([])
        assert not unseen_by_wandb([WandbSink(tmp_path)])
        with pytest.warns(RuntimeWarning, match=r'does not see the spectra.* pass sinks=\["wandb"\]'):
            chosen_sinks(tmp_path, None, None)
    finally:
        own.finish()
        wandb.tensorboard.unpatch()
    assert not unseen_by_wandb([])


def test_a_trainer_s_loggers_cannot_be_named_without_a_trainer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SpectraCallback"):
        watch(torch.nn.Linear(8, 8), log_dir=tmp_path / "run", sinks=["lightning"])
