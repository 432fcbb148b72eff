"""Sinks join the usual ones unless they say otherwise; a name is enough."""

from pathlib import Path

import pytest

import htmu_diag
from htmu_diag.errors import InputError
from htmu_diag.sinks import ConsoleSink, JSONLSink, MemorySink, PageSink, TensorBoardSink
from htmu_diag.sinks.chosen import chosen_sinks
from htmu_diag.storage import Store
from tests.monitor.helpers import Task


def kinds(*arguments: object) -> list[type]:
    return [type(sink) for sink in chosen_sinks(Path("run"), *arguments)]  # type: ignore[arg-type]


def test_what_is_asked_for_joins_what_is_usual() -> None:
    assert kinds(None, None) == [TensorBoardSink, PageSink]
    assert kinds([MemorySink(), "console"], None) == [TensorBoardSink, PageSink, MemorySink, ConsoleSink]
    assert kinds("jsonl", None) == [TensorBoardSink, PageSink, JSONLSink]


def test_the_usual_ones_are_left_out_where_it_is_said() -> None:
    assert kinds([], None) == []
    assert kinds(["jsonl"], False) == [JSONLSink]
    assert kinds(None, False) == []
    assert kinds([], True) == [TensorBoardSink, PageSink]


def test_a_usual_one_that_was_passed_takes_the_place_of_its_kind() -> None:
    assert kinds(["tensorboard"], None) == [PageSink, TensorBoardSink]


def test_an_unknown_name_is_refused_and_the_folder_stays_free(tmp_path: Path) -> None:
    task = Task()
    with pytest.raises(
        InputError, match=r"no sink 'jsnol' \(did you mean 'jsonl'\?\); known: console, jsonl, lightning, mlflow, page"
    ):
        htmu_diag.watch(task.model, log_dir=tmp_path / "run", sinks=["jsnol"])
    Store(tmp_path / "run").close()


def test_settings_make_a_named_probe(tmp_path: Path) -> None:
    task = Task()
    with htmu_diag.watch(
        task.model, log_dir=tmp_path, probes=["weights"], settings={"weights": {"include": ["0.*"]}}, sinks=[]
    ) as monitor:
        monitor.flush()
    assert htmu_diag.load_run(tmp_path).names() == ("0.weight",)
    for settings, sentence in (
        ({"ntk": {}}, "not among the probes"),
        ({"weights": {"inlcude": 1}}, "unexpected keyword"),
    ):
        with pytest.raises(InputError, match=sentence):
            htmu_diag.watch(task.model, log_dir=tmp_path, probes=["weights"], settings=settings)
