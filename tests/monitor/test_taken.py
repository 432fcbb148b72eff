"""What ``watch`` cannot take is said before a folder is made, and every argument has a rule or is looked at."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch

from htmu_diag import watch
from htmu_diag.arguments import rules_of
from htmu_diag.errors import InputError
from htmu_diag.probes import WeightsProbe
from htmu_diag.sinks import MemorySink
from htmu_diag.voice.taken import TAKEN

ELSEWHERE = {"model", "every", "probes", "batch", "include", "budget", "sinks", "on_exists"}  # by their own sentences


class Writer:
    """A writer of TensorBoard, as far as it is looked at."""

    log_dir = "runs/x"

    def add_scalar(self) -> None: ...

    def close(self) -> None: ...


class Logger:
    def log_metrics(self) -> None: ...


class Old(MemorySink):
    """Of an earlier protocol, or a guess at this one."""

    def open(self, run: Any) -> None: ...  # type: ignore[override]


WRONG: list[tuple[str, Any, str]] = [
    ("optimizer", "adam", "pass a torch.optim.Optimizer"),
    ("optimizers", torch.optim.SGD([torch.zeros(1)], lr=0.1), "pass a list of optimizers"),
    ("log_dir", Writer(), "of a SummaryWriter: its log_dir"),
    ("log_dir", 3, "pass the path of a folder"),
    ("loss_fn", "mse", "as torch.nn.functional.cross_entropy"),
    ("output", "logits", "a function of what the model returns"),
    ("loss_reduction", "avg", "'mean' or 'sum'"),
    ("options", {"bootstrap": 0}, "pass htmu_diag.Options"),
    ("strict", "yes", "True or False"),
    ("config", [1], "plain values by their names"),
    ("run_info", 3, "plain values by their names"),
    ("usual_sinks", 1, "True or False"),
    ("settings", {"ntk": 3}, "arguments by probe"),
    ("start_step", "3", "a whole number"),
    ("batch_size", -1, "a whole number from 1 on"),
    ("seed", None, "a whole number"),
    ("team", "all", "a team of"),
    ("verbose", "no", "True or False"),
    ("model", "gpt2", "not str; load it first"),
    ("model", {"a": 1}, "not a dict of other things"),
    ("batch", torch.ones(2), r"pass batch=\(inputs, targets\)"),
    ("budget", 5, "a share of wall time"),
    ("sinks", [Writer()], r"sinks: Writer is no sink; .* log_dir=writer\.log_dir"),
    ("sinks", [Logger()], r"LoggerSink\(your Logger\)"),
    ("sinks", [3], "int is no sink; pass objects with open, write and close, or names: console"),
    ("sinks", [MemorySink], r"MemorySink is a class; pass an object of it: MemorySink\(\.\.\.\)"),
    ("sinks", [Old()], r"Old does not take the calls of a sink; they are open\(run, \*, start_step\), write"),
    ("probes", [WeightsProbe], "WeightsProbe is a class"),
    ("every", "lgo", "the only schedule with a name is 'log'"),
    ("probes", ["wieghts"], "did you mean 'weights'"),
    ("on_exists", "overwrite", "'new', 'refuse' or 'continue'"),
    ("include", 3, "one glob or a list of them"),
]


def test_every_argument_of_watch_has_a_rule() -> None:
    taken = set(inspect.signature(watch).parameters)
    assert set(rules_of(inspect.unwrap(watch, stop=lambda f: hasattr(f, "__rules__")))) == set(TAKEN)
    assert not TAKEN.keys() & ELSEWHERE
    assert TAKEN.keys() | ELSEWHERE == taken
    assert {name for name, _, _ in WRONG} == taken


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_what_it_cannot_take_leaves_no_folder_behind(name: str, value: Any, said: str, tmp_path: Path) -> None:
    given = {"model": torch.nn.Linear(3, 3), "log_dir": tmp_path / "run", name: value}
    with pytest.raises(InputError, match=said):
        watch(given.pop("model"), **given)
    if name != "sinks":  # looked at when the folder is there; it is free again
        assert not (tmp_path / "run").exists()
    watch(torch.nn.Linear(3, 3), log_dir=tmp_path / "run", verbose=False).close()


def test_a_mistyped_layer_is_answered_with_the_nearest(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 3))
    with pytest.warns(RuntimeWarning, match=r"for '0\.wieght' did you mean '0\.weight'\?"):
        watch(model, log_dir=tmp_path / "run", include=["0.wieght"], verbose=False).close()


@pytest.mark.parametrize("key", ["include", "exclude"])
def test_a_glob_that_matches_nothing_beside_one_that_does_is_told(key: str, tmp_path: Path) -> None:
    settings = {"weights": {key: ["weight", "wieght"]}} if key == "include" else {"weights": {key: ["baes"]}}
    with pytest.warns(RuntimeWarning, match="no name matches '(wieght|baes)'; did you mean '(weight|bias)'"):
        watch(torch.nn.Linear(6, 4), log_dir=tmp_path, settings=settings, sinks=()).close()


def test_a_copy_of_what_holds_a_monitor_holds_the_same_and_no_file_does(tmp_path: Path) -> None:
    model = torch.nn.Linear(6, 4)
    with watch(model, log_dir=tmp_path, sinks=()) as monitor:
        model.monitor = monitor
        assert copy.deepcopy(model).monitor is copy.copy(monitor) is monitor
        with pytest.raises(TypeError, match=r"a Monitor cannot be pickled: .* keep it outside"):
            torch.save(model, tmp_path / "model.pt")


def test_a_warning_points_at_the_line_of_the_user(tmp_path: Path) -> None:
    watch(torch.nn.Linear(3, 3), log_dir=tmp_path / "run", verbose=False).close()
    with pytest.warns(RuntimeWarning, match="holds a run already") as told:
        watch(torch.nn.Linear(3, 3), log_dir=tmp_path / "run", verbose=False).close()
    assert told[0].filename == __file__
