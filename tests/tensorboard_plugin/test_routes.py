"""The routes of the Spectra tab give what was written, with both of TensorBoard's loaders."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tensorboard import errors
from werkzeug.test import Client

from htmu_diag.analysis.density import density
from htmu_diag.tensorboard_plugin.loader import Loader
from htmu_diag.tensorboard_plugin.plugin import Plugin
from htmu_diag.ui import static_version
from tests.browser.runs import HOSTILE, NAMES, STEPS, curvature, spectrum, write
from tests.loaders import LOADERS

Get = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write(root / "one", 1.0)
    write(root / "two", 3.0, names=(*NAMES, HOSTILE))
    return root


@pytest.fixture(scope="module", params=LOADERS, ids=["python", "rust"])
def get(request: pytest.FixtureRequest, folder: Path) -> Get:
    plugin = Plugin(SimpleNamespace(data_provider=request.param(folder)))
    apps = plugin.get_plugin_apps()

    def answer(route: str, **query: Any) -> Any:
        path = "/static/*" if route.startswith("/static/") else route
        return Client(apps[path]).get(route, query_string=query)

    return answer


def unframed(data: bytes) -> tuple[dict[str, Any], np.ndarray]:
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    return header, np.frombuffer(data[4 + length :], "<f4").reshape(header["shape"])


def test_runs_are_outlined_in_the_models_order_with_every_word(get: Get) -> None:
    content = get("/runs").get_json()
    assert [run["name"] for run in content["runs"]] == ["one", "two"]
    one = content["runs"][0]
    assert list(one["kinds"]) == ["weights", "hessian", "ntk"]
    assert [layer["name"] for layer in one["kinds"]["weights"]["layers"]] == list(NAMES)
    assert one["kinds"]["weights"]["layers"][0]["shape"] == [48, 96]
    assert (one["last"], one["config"]["optimizer.lr"]) == (200, 0.001)
    assert "train/loss" in one["scalars"]
    assert not any(tag.startswith("weights_") for tag in one["scalars"])
    assert content["words"]["quantities"]["alpha"]["symbol"] == "alpha"


def test_a_table_holds_what_was_diagnosed_joined_by_layer(get: Get) -> None:
    header, cells = unframed(get("/table", run="one", kind="weights", q="alpha,kappa,p").data)
    assert (header["layers"], header["steps"]) == (list(NAMES), list(STEPS))
    assert header["quantities"] == ["alpha", "kappa", "p"]
    for place, name in enumerate(NAMES):
        expected = [
            np.nan if (step, name) == (40, NAMES[3]) else spectrum(name, step, 1.0).tail.alpha for step in STEPS
        ]
        assert cells[0, place] == pytest.approx(np.float32(expected), nan_ok=True)


def test_without_a_choice_a_table_has_every_quantity_and_unknown_ones_are_left_out(get: Get) -> None:
    every, cells = unframed(get("/table", run="one", kind="weights").data)
    assert {"alpha", "htmp_scale", "tail_status", "bulk_edge"} <= set(every["quantities"])
    assert cells.shape[0] == len(every["quantities"])
    none, _ = unframed(get("/table", run="one", kind="weights", q="nonsense,p").data)
    assert none["quantities"] == ["p"]


def test_densities_are_those_of_the_spectra_on_one_grid(get: Get) -> None:
    header, rows = unframed(get("/density", run="one", kind="weights", layer=NAMES[3]).data)
    assert header["steps"] == [step for step in STEPS if step != 40]
    assert header["rows"] == ["mass", "law"]
    for at, step in enumerate(header["steps"]):
        drawn = density(spectrum(NAMES[3], step, 1.0))
        assert drawn is not None
        start = drawn.first - header["first"]
        assert rows[0, at, start : start + drawn.mass.size] == pytest.approx(drawn.mass, rel=4e-4)
        assert rows[0, at].sum() == pytest.approx(1.0, rel=1e-4)


def test_a_hessian_comes_with_both_signs(get: Get) -> None:
    header, rows = unframed(get("/density", run="one", kind="hessian", layer="model").data)
    assert (header["rows"], header["method"]) == (["mass", "negative", "outliers", "negative_outliers"], "quadrature")
    drawn = density(curvature(0))
    assert drawn is not None
    assert drawn.outliers is not None
    assert np.count_nonzero(rows[2, 0]) == np.count_nonzero(drawn.outliers[0]) == 2
    assert rows[1, 0].sum() == pytest.approx(drawn.other.sum(), rel=1e-5)


def test_a_layers_name_is_data_wherever_it_goes(get: Get) -> None:
    header, _ = unframed(get("/density", run="two", kind="weights", layer=HOSTILE).data)
    assert header["steps"] == list(STEPS)


def test_curves_of_the_training_and_what_failed_are_there(get: Get) -> None:
    curves = get("/scalars", run="one", tag="train/loss").get_json()
    assert curves["train/loss"][0] == [0, 3.0]
    assert get("/scalars", run="one", tag="no/such").get_json() == {}
    assert get("/events", run="one").get_json() == [[40, f"{NAMES[3]}: 3 of 64 values are NaN at step 40"]]
    assert get("/events", run="nowhere").get_json() == []


@pytest.mark.parametrize(
    ("route", "query", "said"),
    [
        ("/table", {"run": "nowhere", "kind": "weights"}, "no run 'nowhere'"),
        ("/table", {"run": "one", "kind": "ggn"}, "no numbers of kind 'ggn'"),
        ("/density", {"run": "one", "kind": "weights", "layer": "fc9"}, "no spectrum of 'fc9'"),
        ("/static/../plugin.py", {}, "no such file"),
        ("/static/%2e%2e/words.py", {}, "no such file"),
        ("/static/", {}, "no such file"),
        (f"/static/{static_version()}/../../plugin.py", {}, "no such file"),
        (f"/static/{static_version()}/", {}, "no such file"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(get: Get, route: str, query: dict[str, str], said: str) -> None:
    with pytest.raises(errors.NotFoundError, match=said):
        get(route, **query)


def test_an_address_that_lacks_a_part_says_which(get: Get) -> None:
    with pytest.raises(errors.InvalidArgumentError, match="needs kind="):
        get("/table", run="one")


def test_modules_are_served_as_javascript(get: Get) -> None:
    answer = get("/static/app.js")
    assert answer.content_type.startswith("text/javascript")
    assert b"export async function mount" in answer.data


def test_a_browser_keeps_what_lies_at_the_address_of_a_version_alone(get: Get) -> None:
    path = Plugin(SimpleNamespace(data_provider=None)).frontend_metadata().es_module_path
    kept, asked_again = get(path), get("/static/index.js")
    assert kept.data == asked_again.data
    assert kept.headers["Cache-Control"].startswith("private, max-age=")
    assert asked_again.headers["Cache-Control"].startswith("no-cache")
    with pytest.raises(errors.NotFoundError, match="no such file"):
        get("/static/0123456789ab/index.js")  # of another version


def test_the_loader_asks_for_more_steps_and_gives_way_to_the_users_number() -> None:
    for given, expected in (({}, 500), ({"htmu": 7}, 7)):
        flags = SimpleNamespace(samples_per_plugin=dict(given))
        Loader().fix_flags(flags)
        assert flags.samples_per_plugin["htmu"] == expected


def test_the_loader_imports_nothing_heavy() -> None:
    code = "import sys, htmu_diag.tensorboard_plugin.loader; print({'numpy', 'scipy', 'torch'} & {*sys.modules})"
    before = "import sys, tensorboard.plugins.base_plugin; print({'numpy', 'scipy', 'torch'} & {*sys.modules})"
    ours, theirs = (
        subprocess.run([sys.executable, "-c", each], capture_output=True, text=True, check=True).stdout
        for each in (code, before)
    )
    assert ours == theirs


def test_a_log_directory_without_runs_is_no_error(tmp_path: Path) -> None:
    app = Plugin(SimpleNamespace(data_provider=LOADERS[0](tmp_path))).get_plugin_apps()["/runs"]
    assert Client(app).get("/runs").get_json()["runs"] == []
