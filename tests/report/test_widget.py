"""The widget answers what its views ask, with the arrays of the run."""

from pathlib import Path

import numpy as np
import pytest

from htmu_diag.report.widget import answer
from htmu_diag.sinks.page import history_of_run
from tests.browser.runs import NAMES, write


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder: Path = tmp_path_factory.mktemp("run")
    write(folder, 1.0, steps=(0, 10), names=NAMES[:2])
    return {"run": history_of_run(folder, "run")}


def test_each_question_is_answered_with_its_number(histories: dict) -> None:
    content, buffers = answer(histories, {"id": 1, "what": "outline"})
    assert (content["id"], buffers) == (1, [])
    assert content["content"]["runs"][0]["name"] == "run"
    content, [table] = answer(histories, {"id": 2, "what": "table", "run": "run", "kind": "weights"})
    length = int.from_bytes(table[:4], "little")
    assert np.array_equal(
        np.frombuffer(table[4 + length :], "<f4"), histories["run"].tables["weights"].values.ravel(), equal_nan=True
    )
    asked = {"id": 3, "what": "density", "run": "run", "kind": "weights", "layer": NAMES[1]}
    _, [rows] = answer(histories, asked)
    assert len(rows) > 4 * histories["run"].densities["weights", NAMES[1]].rows.size
    content, _ = answer(histories, {"id": 4, "what": "scalars", "run": "run", "tags": ["train/loss", "no"]})
    assert list(content["content"]) == ["train/loss"]
    content, _ = answer(histories, {"id": 5, "what": "events", "run": "run"})
    assert content["content"] == []


def test_what_is_not_there_is_an_error_of_that_question(histories: dict) -> None:
    content, buffers = answer(histories, {"id": 9, "what": "table", "run": "other", "kind": "weights"})
    assert (content["id"], content["error"], buffers) == (9, "'other' is not in this widget", [])


def test_a_widget_is_made_with_its_modules_inside(histories: dict) -> None:
    pytest.importorskip("anywidget")
    from htmu_diag.report.widget import widget

    made = widget(list(histories.values()))
    assert "export default" in made._esm
    assert "unpackedJson" in made._esm
    assert ".htmu.embedded" in made._css
