"""What is written for TensorBoard is what TensorBoard reads, with both of its loaders."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import metadata as hparams

from htmu_diag.analysis import Options, StepRecord, diagnose
from htmu_diag.analysis.density import density
from htmu_diag.errors import InputError, StorageError
from htmu_diag.sinks import TensorBoardSink
from htmu_diag.sinks.pictures import MOST
from htmu_diag.sinks.scalars import PER_LAYER
from htmu_diag.spectrum import Kind

Make = Callable[..., StepRecord]
Read = Callable[[Path], Any]
RUN = {"config": {"model": {"name": "mlp", "width": 64}, "amp": False, "sizes": [3, 4], "note": None}, "seed": 3}
ALPHA = "weights_alpha/blocks.2.up"
LAYERS = ("blocks.2.up", "blocks.10.up")


def written(folder: Path, records: list[StepRecord], start_step: int = 0, **options: Any) -> Path:
    sink = TensorBoardSink(folder, **options)
    sink.open(RUN, start_step=start_step)
    for record in records:
        sink.write(record)
    sink.close()
    return max(folder.glob("events*"))


def raw_events(path: Path) -> list[Event]:
    return [Event.FromString(data) for data in RawEventFileLoader(str(path)).Load()]


def test_curves_come_back_step_by_step(record: Make, read: Read, tmp_path: Path) -> None:
    records = [record(step, scalars={"train/loss": 1 / (1 + step)}) for step in (0, 100, 200)]
    written(tmp_path / "run", records, scalars="all")
    found = read(tmp_path)
    for tag in records[0].metrics():
        expected = [(r.step, float(np.float32(r.metrics()[tag]))) for r in records if tag in r.metrics()]
        assert found.scalars(tag) == {"run": expected}, tag


def test_all_numbers_of_a_step_are_in_one_event(record: Make, tmp_path: Path) -> None:
    records = [record(step) for step in (0, 100)]
    events = raw_events(written(tmp_path, records, scalars="all"))
    for step in records:
        of_step = [
            e for e in events if e.step == step.step and any(v.HasField("simple_value") for v in e.summary.value)
        ]
        assert len(of_step) == 1
        tags = {v.tag for v in of_step[0].summary.value if v.HasField("simple_value")}
        assert tags == set(step.metrics())
        assert of_step[0].wall_time == step.wall_time


def test_every_file_begins_with_the_mark_that_supersedes(record: Make, tmp_path: Path) -> None:
    for start in (0, 100):
        version, mark, *_ = raw_events(written(tmp_path, [record(start)], start))
        assert version.file_version == "brain.Event:2"
        assert (mark.step, mark.session_log.status) == (start, SessionLog.START)


def test_a_resumed_run_is_not_doubled(record: Make, read: Read, tmp_path: Path) -> None:
    written(tmp_path / "run", [record(step, scalars={"try": 1.0}) for step in (0, 100, 200, 300)])
    written(tmp_path / "run", [record(step, scalars={"try": 2.0}) for step in (200, 250)], start_step=200)
    found = read(tmp_path)
    assert found.scalars("try") == {"run": [(0, 1.0), (100, 1.0), (200, 2.0), (250, 2.0)]}
    assert [step for step, _ in found.scalars(ALPHA)["run"]] == [0, 100, 200, 250]


def test_the_step_at_which_a_run_resumes_keeps_its_numbers_once(record: Make, read: Read, tmp_path: Path) -> None:
    for start in (0, 100, 150):  # a measurement is made again at 100, none at 150
        records = [record(step) for step in (0, 100, 200) if step >= start]
        losses = [StepRecord(step, 1.0, scalars={"loss": float(start)}) for step in (100, 150, 200) if step > start]
        written(tmp_path / "run", sorted([*records, *losses], key=lambda r: r.step), start_step=start)
    found = read(tmp_path)
    assert found.scalars("loss") == {"run": [(100, 0.0), (150, 100.0), (200, 150.0)]}
    assert [step for step, _ in found.scalars(ALPHA)["run"]] == [0, 100, 200]


def test_an_attempt_that_was_killed_at_its_beginning_takes_nothing_away(
    record: Make, read: Read, tmp_path: Path
) -> None:
    losses = [StepRecord(step, 1.0, scalars={"loss": 1.0}) for step in (50, 100, 150)]
    written(tmp_path / "run", losses)
    TensorBoardSink(tmp_path / "run").open(RUN, start_step=100)
    assert [step for step, _ in read(tmp_path).scalars("loss")["run"]] == [50, 100, 150]
    torn = TensorBoardSink(tmp_path / "run")
    torn.open(RUN, start_step=100)
    torn.write(losses[1])
    newest = max((tmp_path / "run").glob("events*"))
    newest.write_bytes(newest.read_bytes()[:-10])  # in the middle of its first event, after the mark
    written(tmp_path / "run", [StepRecord(200, 1.0, scalars={"loss": 2.0})], start_step=100)
    assert read(tmp_path).scalars("loss") == {"run": [(50, 1.0), (100, 1.0), (200, 2.0)]}


def test_nothing_but_finite_float32_reaches_tensorboard(record: Make, tmp_path: Path) -> None:
    scalars = {"nan": math.nan, "inf": math.inf, "too_large": 1e39, "minus": -math.inf, "good": 1.0}
    events = raw_events(written(tmp_path, [record(0, scalars=scalars)]))
    values = {v.tag: v.simple_value for e in events for v in e.summary.value if v.HasField("simple_value")}
    assert all(math.isfinite(value) for value in values.values())
    assert {"nan", "inf", "too_large", "minus", "good"} & set(values) == {"good"}


def test_by_default_a_layer_has_five_scalars_and_averages_say_what_they_are(record: Make, tmp_path: Path) -> None:
    loss = {"weights_kappa/of_mine": 1.0, "train/loss": 2.0}
    events = raw_events(written(tmp_path, [record(0, scalars=loss)]))
    tags = {v.tag for e in events for v in e.summary.value if v.HasField("simple_value")}
    assert {t for t in tags if t.endswith("/blocks.2.up")} == {f"weights_{name}/blocks.2.up" for name in PER_LAYER}
    averages = {t for t in tags if t.startswith("summary/")}
    assert all(t.endswith(("_mean", "_median", "_sum", "_count")) for t in averages)
    assert {"summary/weights_spikes_sum", "summary/weights_kappa_median", "summary/weights_alpha_mean"} < averages
    assert tags == averages | loss.keys() | {f"weights_{q}/{layer}" for q in PER_LAYER for layer in LAYERS}


def test_phases_that_no_layer_is_in_are_counted_as_zero(record: Make, read: Read, tmp_path: Path) -> None:
    diagnosed = [diagnose(d.spectrum, Options(bootstrap=20)) for d in record(0).diagnoses]
    written(tmp_path / "run", [StepRecord(0, 1.0, tuple(diagnosed))])
    found = read(tmp_path)
    counts = {t: found.scalars(t)["run"][0][1] for t in found.scalar_tags() if "_phase_" in t}
    assert len(counts) == 6
    assert sum(counts.values()) == len(LAYERS)


def test_tables_and_densities_are_tensors_of_the_plugin(record: Make, read: Read, tmp_path: Path) -> None:
    records = [record(step) for step in (0, 100)]
    written(tmp_path / "run", records)
    found = read(tmp_path)
    tags = found.tensor_tags("htmu")
    [known] = [tag for tag in tags if tag.startswith("weights_table/")]
    about = json.loads(tags[known].plugin_content)
    assert [layer["name"] for layer in about["layers"]] == list(LAYERS)
    place = about["quantities"].index("alpha")
    for (step, cells), expected in zip(found.tensors("htmu", known), records, strict=True):
        assert (step, cells.shape) == (expected.step, (2, len(about["quantities"])))
        assert cells[0, place] == np.float32(expected.diagnoses[0].tail.alpha)
    for (step, rows), expected in zip(found.tensors("htmu", "weights_density/blocks.2.up"), records, strict=True):
        drawn = density(expected.diagnoses[0])
        assert drawn is not None
        assert (step, rows.dtype) == (expected.step, np.uint16)
        assert np.array_equal(rows, drawn.packed(), equal_nan=True)


def test_the_start_is_kept_under_tags_of_its_own(record: Make, read: Read, tmp_path: Path) -> None:
    written(tmp_path / "run", [record(0, LAYERS[:1]), record(100), record(200)])
    found = read(tmp_path)
    assert [step for step, _ in found.tensors("htmu", "weights_start/blocks.2.up")] == [0]
    assert [step for step, _ in found.tensors("htmu", "weights_start/blocks.10.up")] == [100]
    starts = sorted(t for t in found.tensor_tags("htmu") if t.startswith("weights_table_start/"))
    assert [[step for step, _ in found.tensors("htmu", tag)] for tag in starts] in ([[0], [100]], [[100], [0]])


def test_other_layers_are_another_table(record: Make, read: Read, tmp_path: Path) -> None:
    written(tmp_path / "run", [record(0), record(100, ("blocks.10.up",)), record(200)])
    found = read(tmp_path)
    tables = [tag for tag in found.tensor_tags("htmu") if tag.startswith("weights_table/")]
    steps = sorted([step for step, _ in found.tensors("htmu", tag)] for tag in tables)
    assert steps == [[0, 200], [100]]


def test_the_step_at_which_a_run_resumes_keeps_its_densities_once(record: Make, read: Read, tmp_path: Path) -> None:
    for start in (0, 100, 200):  # measured again at 100, not at 200
        records = [record(step) for step in (0, 100, 200, 300) if step >= start and (start, step) != (200, 200)]
        written(tmp_path / "run", records, start_step=start)
    found = read(tmp_path)
    tags = found.tensor_tags("htmu")
    assert [step for step, _ in found.tensors("htmu", "weights_density/blocks.2.up")] == [0, 100, 200, 300]
    [table] = [tag for tag in tags if tag.startswith("weights_table/")]
    assert [step for step, _ in found.tensors("htmu", table)] == [0, 100, 200, 300]


def test_records_are_drawn_on_a_log_schedule_and_the_last_one_at_the_end(record: Make, tmp_path: Path) -> None:
    path = written(tmp_path, [record(step, ("a",)) for step in range(0, 70, 10)], figure_every="log")
    values = [(e.step, v) for e in raw_events(path) for v in e.summary.value]
    assert [step for step, v in values if v.HasField("image")] == [0, 10, 30, 60]
    assert [step for step, v in values if v.tag == "run/table"] == [0, 10, 30, 60]


def test_a_dozen_weights_are_drawn_first_in_the_models_order(record: Make, read: Read, tmp_path: Path) -> None:
    names = tuple(f"w.{place}" for place in range(30))
    many = record(0, names)
    path = StepRecord(0, 1.0, (*record(0, ("theta",), kind=Kind.TRAJECTORY).diagnoses, *many.diagnoses))
    drawn = [v for e in raw_events(written(tmp_path, [path], figure_every=0)) for v in e.summary.value]
    tags = [v.tag for v in drawn if v.HasField("image")]
    assert len(tags) == MOST
    assert tags[0] == "weights_esd/w.0"
    assert tags[-1] == "weights_esd/w.29"
    assert {(v.image.width, v.image.height) for v in drawn if v.HasField("image")} == {(350, 270)}


def test_the_last_table_is_a_text_in_markdown(record: Make, read: Read, tmp_path: Path) -> None:
    written(tmp_path / "run", [record(0), record(100)])
    step, text = read(tmp_path).tensors("text", "run/table")[-1]
    assert step == 100
    assert text.item().decode().startswith("| layer | shape |")
    assert b"blocks.10.up" in text.item()


def test_every_second_record_and_the_last_are_drawn_on_request(record: Make, tmp_path: Path) -> None:
    path = written(tmp_path, [record(step, ("a",)) for step in (0, 10, 20, 30)], figure_every=2)
    drawn = [e.step for e in raw_events(path) for v in e.summary.value if v.HasField("image")]
    assert drawn == [0, 20, 30]


def test_no_figure_is_drawn_where_none_is_asked_for(record: Make, tmp_path: Path) -> None:
    path = written(tmp_path, [record(0)])
    assert not any(v.HasField("image") for e in raw_events(path) for v in e.summary.value)


def test_hyperparameters_and_final_metrics_share_the_run(record: Make, read: Read, tmp_path: Path) -> None:
    loss = StepRecord(50, 1.0, scalars={"train/loss": 2.0})
    written(tmp_path / "run", [record(0), loss, record(100), record(200)], metrics=("test/accuracy",))
    assert len(list((tmp_path / "run").glob("events*"))) == 1
    found = read(tmp_path)
    tags = found.tensor_tags("hparams")
    start = hparams.parse_session_start_info_plugin_data(tags[hparams.SESSION_START_INFO_TAG].plugin_content)
    assert start.hparams["model.width"].number_value == 64
    assert start.hparams["model.name"].string_value == "mlp"
    assert "amp" in start.hparams
    assert "note" not in start.hparams
    experiment = hparams.parse_experiment_plugin_data(tags[hparams.EXPERIMENT_TAG].plugin_content)
    assert {info.name for info in experiment.hparam_infos} == set(start.hparams)
    metrics = {info.name.tag for info in experiment.metric_infos}
    assert {"summary/weights_alpha_mean", "train/loss"} < metrics
    assert metrics - found.scalar_tags() == {"test/accuracy"}
    assert hparams.SESSION_END_INFO_TAG in tags


def test_a_run_of_one_record_has_its_hyperparameters_too(record: Make, read: Read, tmp_path: Path) -> None:
    written(tmp_path / "run", [record(0)])
    assert hparams.EXPERIMENT_TAG in read(tmp_path).tensor_tags("hparams")


def test_the_layout_shows_averages_only_and_they_exist(record: Make, read: Read, tmp_path: Path) -> None:
    written(tmp_path / "run", [record(0)])
    found = read(tmp_path)
    [(_, content)] = found.tensors("custom_scalars", "custom_scalars__config__")
    charts = [chart for category in Layout.FromString(content.item()).category for chart in category.chart]
    patterns = [pattern for chart in charts for pattern in chart.multiline.tag]
    assert all(pattern.startswith("summary/weights_") for pattern in patterns)
    matched = {tag for tag in found.scalar_tags() for pattern in patterns if re.match(pattern, tag)}
    assert matched == {tag for tag in found.scalar_tags() if tag.startswith("summary/")} - {
        "summary/weights_layers_count"
    }
    assert "weights: median kappa" in [chart.title for chart in charts]


def test_the_config_and_the_events_are_texts(record: Make, read: Read, tmp_path: Path) -> None:
    written(tmp_path / "run", [record(0), record(100, events=("fc2: 3 values are NaN",))])
    found = read(tmp_path)
    [(step, config)] = found.tensors("text", "run/config")
    assert step == 0
    assert b'"width": 64' in config.item()
    assert [(s, t.item()) for s, t in found.tensors("text", "run/events")] == [(100, b"fc2: 3 values are NaN")]


@pytest.mark.parametrize("name", ["Schicht/größe.weight", "日本語", "a b$\\_^{2}|[x]", "x" * 300])
def test_any_layer_name_is_written_and_drawn(name: str, record: Make, read: Read, tmp_path: Path) -> None:
    written(tmp_path / "run", [record(0, (name,))], figure_every=0)
    found = read(tmp_path)
    assert f"weights_alpha/{name}" in found.scalar_tags()
    assert list(found.pictures()) == [f"weights_esd/{name}"]


@pytest.mark.parametrize("choice", [{"scalars": "most"}, {"figure_every": "never"}])
def test_an_unknown_choice_is_refused(choice: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be taken; pass '(few|log)"):
        TensorBoardSink(tmp_path, **choice)


def test_steps_that_go_back_are_refused(record: Make, tmp_path: Path) -> None:
    sink = TensorBoardSink(tmp_path)
    with pytest.raises(InputError, match="not open"):
        sink.write(record(0))
    sink.open(RUN, start_step=0)
    sink.write(record(100))
    with pytest.raises(InputError, match="weights: step 0 came after step 100"):
        sink.write(record(0))
    sink.close()


def test_another_curve_may_count_its_own_steps(record: Make, read: Read, tmp_path: Path) -> None:
    epoch = StepRecord(1, 1.0, scalars={"test/accuracy": 0.5})
    written(tmp_path / "run", [record(0), record(100), epoch, record(200)])
    found = read(tmp_path)
    assert found.scalars("test/accuracy") == {"run": [(1, 0.5)]}
    assert [step for step, _ in found.scalars(ALPHA)["run"]] == [0, 100, 200]


def test_event_files_are_named_in_the_order_of_their_creation(tmp_path: Path) -> None:
    future = tmp_path / "events.out.tfevents.9999999998.elsewhere.1.0"
    future.touch()
    paths = [written(tmp_path, []) for _ in range(3)]
    assert sorted(paths) == paths
    assert min(paths) > future


def test_a_killed_writer_leaves_a_run_that_can_be_resumed(record: Make, read: Read, tmp_path: Path) -> None:
    first = written(tmp_path / "run", [record(step, ("a",)) for step in (0, 100, 200)])
    first.write_bytes(first.read_bytes()[: _start_of_step(first, 200) + 40])
    written(tmp_path / "run", [record(step, ("a",)) for step in (200, 300)], start_step=200)
    assert [step for step, _ in read(tmp_path).scalars("weights_alpha/a")["run"]] == [0, 100, 200, 300]


def test_a_full_disk_is_an_error_at_its_step_and_the_file_stays_whole(record: Make, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    sink = TensorBoardSink(tmp_path)
    sink.open(RUN, start_step=0)
    sink.write(record(0))
    size = next(tmp_path.glob("events*")).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
    try:
        with pytest.raises(StorageError, match="cannot write .*events"):
            sink.write(record(100))
        assert next(tmp_path.glob("events*")).stat().st_size == size
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    sink.write(record(200))
    sink.close()
    steps = {e.step for e in raw_events(next(tmp_path.glob("events*"))) if e.summary.value}
    assert steps == {0, 200}


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(StorageError, match="cannot create"):
        TensorBoardSink(tmp_path / "taken").open(RUN, start_step=0)


def test_a_run_without_config_or_diagnoses_is_written(read: Read, tmp_path: Path) -> None:
    sink = TensorBoardSink(tmp_path / "run")
    sink.open({}, start_step=0)
    sink.write(StepRecord(0, 1.0, scalars={"train/loss": 1.0}))
    sink.close()
    found = read(tmp_path)
    assert found.scalars("train/loss") == {"run": [(0, 1.0)]}
    assert not found.tensor_tags("hparams")


def test_sinks_import_neither_torch_nor_matplotlib() -> None:
    rooms = "htmu_diag.sinks, htmu_diag.storage, htmu_diag.report"
    code = f"import sys, {rooms}; print({{'torch', 'matplotlib'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def _start_of_step(path: Path, step: int) -> int:
    """Offset of the first record of a step: 8 bytes length, 4 of checksum, the event, 4 of checksum."""
    data, offset = path.read_bytes(), 0
    while True:
        length = int.from_bytes(data[offset : offset + 8], "little")
        if Event.FromString(data[offset + 12 : offset + 12 + length]).step == step:
            return offset
        offset += 16 + length
