"""What every sink does: the same protocol, nothing doubled on resume, nothing lost on close."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from htmu_diag.analysis import StepRecord
from htmu_diag.errors import StorageError
from htmu_diag.sinks import ConsoleSink, JSONLSink, MemorySink, Sink, TensorBoardSink

Make = Callable[..., StepRecord]


@pytest.fixture(params=["tensorboard", "jsonl", "console", "memory"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Sink:
    makers: dict[str, Callable[[], Sink]] = {
        "tensorboard": lambda: TensorBoardSink(tmp_path / "tb"),
        "jsonl": lambda: JSONLSink(tmp_path / "deep" / "metrics.jsonl"),
        "console": lambda: ConsoleSink(Console(file=io.StringIO())),
        "memory": MemorySink,
    }
    return makers[request.param]()


def test_a_sink_takes_steps_in_order_and_closes_twice(sink: Sink, record: Make) -> None:
    assert isinstance(sink, Sink)
    sink.open({"config": {}}, start_step=0)
    sink.write(record(0))
    sink.write(record(0, scalars={"a": 1.0}))
    sink.write(StepRecord(5, 2.0, events=("[red]fc2[/red]: NaN",)))
    sink.close()
    sink.close()
    sink.open({}, start_step=5)
    sink.write(record(7))
    sink.close()


def test_json_lines_hold_every_finite_number_once_and_survive_a_torn_end(record: Make, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    sink = JSONLSink(path)
    sink.open({}, start_step=0)
    for step in (0, 100, 200):
        sink.write(record(step, scalars={"train/loss": float("nan"), "lr": 0.1}, events=("é",)))
    path.write_bytes(path.read_bytes()[:-20])
    sink.open({}, start_step=100)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    sink.write(StepRecord(100, 1.0, scalars={"test/accuracy": 0.5}))
    sink.write(record(100))
    sink.write(record(150))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(line["step"], len(line["verdicts"])) for line in lines] == [(0, 2), (100, 0), (100, 2), (150, 2)]
    assert lines[0]["metrics"]["lr"] == 0.1
    assert "train/loss" not in lines[0]["metrics"]
    assert lines[0]["metrics"]["weights_alpha/blocks.2.up"] == record(0).metrics()["weights_alpha/blocks.2.up"]
    assert lines[0]["verdicts"]["weights/blocks.2.up"] == record(0).diagnoses[0].verdict
    assert lines[0]["events"] == ["é"]


def test_json_lines_refuse_a_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(StorageError, match="cannot create"):
        JSONLSink(tmp_path / "taken" / "metrics.jsonl").open({}, start_step=0)


def test_the_console_shows_a_line_a_step_and_events_as_they_are(record: Make) -> None:
    out = io.StringIO()
    sink = ConsoleSink(Console(file=out, width=40))
    sink.write(record(100, scalars={"train/loss": 0.25}, events=("fc[0]: 3 values are NaN",)))
    first, second = out.getvalue().splitlines()
    assert first.startswith("step     100  weights: alpha mean ")
    assert first.endswith("train/loss 0.25")
    assert second == "  fc[0]: 3 values are NaN"


def test_memory_keeps_curves_and_forgets_what_is_superseded(record: Make) -> None:
    sink = MemorySink()
    sink.open({}, start_step=0)
    for step in (0, 100, 200):
        sink.write(record(step, scalars={"lr": 1.0}))
    sink.open({}, start_step=100)
    assert sink.curve("lr") == [(0, 1.0), (100, 1.0)]
    for step in (100, 150):
        sink.write(record(step, scalars={"lr": 2.0}))
    assert sink.curve("lr") == [(0, 1.0), (100, 2.0), (150, 2.0)]
    sink.open({}, start_step=0)
    assert sink.records == []


def test_memory_can_be_bounded(record: Make) -> None:
    sink = MemorySink(keep=2)
    for step in (0, 100, 200):
        sink.write(record(step))
    assert [r.step for r in sink.records] == [100, 200]


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sinks = [JSONLSink("run/a.jsonl"), TensorBoardSink("run")]
    for sink in sinks:
        sink.open({}, start_step=0)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    for sink in sinks:
        sink.write(StepRecord(1, 0.0, scalars={"loss": 1.0}))
        sink.close()
    assert list((tmp_path / "other").iterdir()) == []
    assert (tmp_path / "run" / "a.jsonl").read_text().count("loss") == 1
