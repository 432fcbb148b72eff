"""A warning names the line of the person who can do something about it."""

import linecache
import threading
import warnings
from pathlib import Path

import pytest
import torch

import htmu_diag
from htmu_diag.warned import warn


class Odd:
    """Fails at each measurement."""

    name, needs = "odd", frozenset({"model"})

    def measure(self, context: object) -> list[htmu_diag.Spectrum]:
        raise ArithmeticError("odd")


def line(warning: warnings.WarningMessage) -> str:
    return linecache.getline(warning.filename, warning.lineno).strip()


def test_what_a_probe_did_wrong_points_at_the_watch_and_at_the_step_of_the_training(tmp_path: Path) -> None:
    model = torch.nn.Linear(30, 20)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        monitor = htmu_diag.watch(model, optimizer, log_dir=tmp_path, every=1, probes=[Odd()])  # the first
        model(torch.ones(1, 30)).sum().backward()
        optimizer.step()  # the second
        monitor.close()  # the last
    assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name] * len(caught)
    assert line(caught[0]).endswith("# the first")
    assert {line(warning).split("# ")[-1] for warning in caught} <= {"the first", "the second", "the last"}


def test_a_damaged_record_points_at_its_reader(tmp_path: Path) -> None:
    htmu_diag.watch(torch.nn.Linear(30, 20), log_dir=tmp_path, sinks=[], usual_sinks=False).close()
    record = next(tmp_path.rglob("*.safetensors"))
    record.write_bytes(record.read_bytes()[:50])
    with pytest.warns(RuntimeWarning, match="damaged") as caught:
        assert htmu_diag.load_run(tmp_path).steps == ()
    assert caught[0].filename == __file__


def test_a_thread_without_a_line_of_the_users_still_warns() -> None:
    with pytest.warns(RuntimeWarning, match="anything"):
        thread = threading.Thread(target=warn, args=("anything",))
        thread.start()
        thread.join()


def test_a_package_whose_name_begins_with_torchs_is_the_users() -> None:
    path = f"{Path(torch.__file__).parent}tune/recipe.py"
    code = compile("warn('anything')", path, "exec")
    with pytest.warns(RuntimeWarning, match="anything") as caught:
        exec(code, {"warn": warn})
    assert caught[0].filename == path
