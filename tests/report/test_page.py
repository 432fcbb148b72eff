"""The page holds what was measured, whatever it was read from, and nothing in a name can leave its place."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmu_diag.analysis import Reading
from htmu_diag.analysis.history import History
from htmu_diag.errors import StorageError
from htmu_diag.report.page import page
from htmu_diag.report.stored import _tables, history_from_store
from htmu_diag.sinks import PageSink, TensorBoardSink
from htmu_diag.sinks.history import history_from_events
from htmu_diag.sinks.page import PAGE, history_of_run, write_page
from htmu_diag.spectrum import Kind, Source
from htmu_diag.storage import load_run
from tests.browser.runs import HOSTILE, NAMES, STEPS, record, spectrum, write
from tests.browser.stored import store


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    write(folder, 1.0, names=(*NAMES, HOSTILE))
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    store(folder, 1.0, names=(*NAMES, HOSTILE))
    return folder


def content(text: str) -> dict[str, Any]:
    [found] = re.findall(r'<script type="application/json" class="content">(.*?)</script>', text, re.DOTALL)
    return json.loads(found)


def part(text: str, place: int, kind: str) -> np.ndarray:
    [found] = re.findall(rf'data-part="{place}">([^<]*)<', text)
    data = np.frombuffer(gzip.decompress(base64.b64decode(found)), np.uint8)
    return data.reshape(np.dtype(kind).itemsize, -1).T.copy().view(kind).ravel()


def test_the_page_holds_every_number_and_every_density(events: Path) -> None:
    history = history_of_run(events)
    text = page([history], "title")
    found = content(text)
    table = found["tables"][history.name]["weights"]
    cells = part(text, table["blob"], "<f4").reshape(table["header"]["shape"])
    alpha = cells[table["header"]["quantities"].index("alpha"), 0]
    assert alpha == pytest.approx([np.float32(spectrum(NAMES[0], step, 1.0).tail.alpha) for step in STEPS])
    drawn = found["densities"][history.name]["weights"][HOSTILE]
    whole = part(text, drawn["blob"], "<u2").reshape(drawn["header"]["shape"])
    mass = (whole[0] / 65534) ** 2
    assert mass.sum(axis=1) == pytest.approx(np.ones(len(STEPS)), rel=1e-3)


def test_a_store_gives_the_same_history_as_the_event_files(events: Path, kept: Path) -> None:
    one, two = history_from_events(events, "x"), history_from_store(load_run(kept), "x")
    assert one is not None
    assert one.outline["kinds"]["weights"]["layers"] == two.outline["kinds"]["weights"]["layers"]
    for kind, table in one.tables.items():
        assert set(table.quantities) == set(two.tables[kind].quantities)
        for name in table.quantities:
            assert np.array_equal(table.of(name), two.tables[kind].of(name), equal_nan=True), (kind, name)
    for key, densities in one.densities.items():
        assert two.densities[key].first == densities.first
        levels = [65534 * np.sqrt(each.rows) for each in (two.densities[key], densities)]  # of 16 bits
        assert levels[0] == pytest.approx(levels[1], rel=0, abs=1.01, nan_ok=True), key
    assert np.array(two.scalars["train/loss"]) == pytest.approx(np.array(one.scalars["train/loss"]))
    assert one.events == two.events


def test_a_resumed_run_shows_what_its_last_attempt_left(tmp_path: Path) -> None:
    write(tmp_path, 1.0)
    sink = TensorBoardSink(tmp_path, figure_every=None)
    sink.open({}, start_step=100)
    for step in (120, 160):
        sink.write(record(step, 3.0))
    sink.close()
    found = history_from_events(tmp_path, "x")
    assert found is not None
    assert found.tables["weights"].steps == (0, 10, 20, 30, 40, 60, 80, 100, 120, 160)
    assert found.tables["weights"].of("alpha")[0, -1] == np.float32(spectrum(NAMES[0], 160, 3.0).tail.alpha)


def test_names_cannot_end_the_element_they_lie_in(events: Path) -> None:
    text = page([history_of_run(events, "</script><script>alert(1)</script>")], "<b>&")
    assert HOSTILE not in text
    assert "<script>alert" not in text
    assert "<title>&lt;b&gt;&amp;</title>" in text
    names = [layer["name"] for layer in content(text)["outline"]["runs"][0]["kinds"]["weights"]["layers"]]
    assert names == [*NAMES, HOSTILE]


def test_the_page_asks_nobody_for_anything(events: Path) -> None:
    text = page([history_of_run(events)], "x")
    assert not re.findall(r"<[a-z]+ [^>]*(?:src|href)\s*=", text)
    assert "default-src 'none'" in text


def test_several_runs_have_names_that_tell_them_apart(tmp_path: Path) -> None:
    for name in ("a/run", "b/run"):
        write(tmp_path / name, 1.0, steps=(0, 10), names=NAMES[:1])
    out = write_page([tmp_path / "a/run", tmp_path / "b/run"], tmp_path / "both.html")
    outline = content(out.read_text())["outline"]["runs"]
    assert [run["name"] for run in outline] == ["b/run", "a/run"]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no run here"):
        history_of_run(tmp_path)


def test_a_damaged_event_file_gives_what_can_be_read(tmp_path: Path) -> None:
    write(tmp_path, 1.0, steps=(0, 10, 20), names=NAMES[:2])
    [path] = tmp_path.glob("events*")
    path.write_bytes(path.read_bytes()[:-700])
    found: History | None = history_from_events(tmp_path, "x")
    assert found is not None
    assert found.tables["weights"].steps[:2] == (0, 10)


def test_the_page_is_written_while_the_run_grows_and_at_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensorboard, sink = TensorBoardSink(tmp_path, figure_every=None), PageSink(tmp_path, announce=True)
    for each in (tensorboard, sink):
        each.open({}, start_step=0)
    seen = []
    for step in (0, 10, 20, 30, 60):
        for each in (tensorboard, sink):
            each.write(record(step, 1.0, NAMES[:1]))
        steps = content((tmp_path / PAGE).read_text())["tables"][tmp_path.name]["weights"]["header"]["steps"]
        seen.append(len(steps))
    assert seen == [1, 2, 2, 4, 4]
    for _ in range(2):
        tensorboard.close()
        sink.close()
    assert content((tmp_path / PAGE).read_text())["outline"]["runs"][0]["last"] == 60
    assert capsys.readouterr().out == f"htmu: this run's page is {tmp_path / PAGE}\n"


@pytest.mark.filterwarnings("error")
def test_a_number_beyond_single_precision_is_no_warning() -> None:
    reading = Reading(Source(Kind.WEIGHTS, "fc", (9, 5)), {"lambda_max_predicted": 1e70, "lambda_max": 2.0}, {})
    [piece] = _tables("weights", {0: [reading]})
    assert {2.0, np.inf} <= set(piece.arrays[0].ravel().tolist())
