"""The run's page is written by the process beside a training, byte for byte as here, and here where it must be."""

from pathlib import Path
from typing import Any

import pytest

from htmu_diag.analysis import QUANTITIES, Diagnoser, Quantity
from htmu_diag.errors import HTMUError, StorageError
from htmu_diag.probes import Budget
from htmu_diag.ranks.team import Solo
from htmu_diag.recording.complaints import Complaints
from htmu_diag.recording.recorder import Recorder
from htmu_diag.sinks import PageSink, Sink, TensorBoardSink
from htmu_diag.sinks import page as page_module
from htmu_diag.sinks.page import PAGE, page_of, write_page
from tests.browser.runs import NAMES, record, spectrum


def sinks(folder: Path) -> list[Sink]:
    found: list[Sink] = [TensorBoardSink(folder), PageSink(folder)]
    Recorder(None, found, None, Solo(), Complaints(), Budget(None))
    return found


def test_the_process_writes_the_page_that_would_be_written_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[HTMUError] = []
    beside = Diagnoser(None, told.append, patience=0.0)
    beside(spectrum(NAMES[0], 0, 1.0).spectrum)
    tensorboard, sink = TensorBoardSink(tmp_path), PageSink(tmp_path)
    sink.calls = beside.call
    for each in (tensorboard, sink):
        each.open({}, start_step=0)
    with monkeypatch.context() as here:
        here.setattr(page_module, "page_of", lambda *_: pytest.fail("a page was written here"))
        for each in (tensorboard, sink):
            each.write(record(0, 1.0, NAMES[:1]))
    assert (tmp_path / PAGE).read_text() == page_of([tmp_path])
    with pytest.raises(StorageError, match="no run here"):
        beside.call(write_page, [tmp_path / "none"], tmp_path / PAGE)
    assert beside._process is not None
    beside._process.kill()
    (tmp_path / PAGE).unlink()
    assert beside.call(write_page, [tmp_path], tmp_path / PAGE).exists()
    assert len(told) == 1


def test_a_recorder_lends_its_process_until_the_end(tmp_path: Path) -> None:
    """The last page is written here: the process has ended by then, or is about to."""
    tensorboard, sink = sinks(tmp_path)
    assert isinstance(sink, PageSink)
    assert sink.calls.__func__ is Diagnoser.call  # type: ignore[attr-defined]
    called: list[Any] = []
    sink.calls = lambda function, *arguments: called.append((function, *arguments))
    for each in (tensorboard, sink):
        each.open({}, start_step=0)
    for step in (0, 10, 20, 30):
        sink.write(record(step, 1.0, NAMES[:1]))
    assert called == [(write_page, [tmp_path], tmp_path / PAGE)] * 3
    tensorboard.write(record(40, 1.0, NAMES[:1]))
    sink.write(record(40, 1.0, NAMES[:1]))
    assert not (tmp_path / PAGE).exists()
    tensorboard.close()
    sink.close()
    assert len(called) == 3
    assert (tmp_path / PAGE).exists()


def test_words_that_a_process_would_not_know_are_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensorboard, sink = sinks(tmp_path)
    assert isinstance(sink, PageSink)
    sink.calls = lambda *_: pytest.fail("a process was asked")
    monkeypatch.setitem(QUANTITIES, "mine", Quantity("mine", "m", "1", 0, 1, "A number of mine.", "mine", mean="mean"))
    for each in (tensorboard, sink):
        each.open({}, start_step=0)
        each.write(record(0, 1.0, NAMES[:1]))
    assert '"mine"' in (tmp_path / PAGE).read_text()
