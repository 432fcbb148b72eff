"""A run that is continued beyond what its folder holds says so, once when it goes on and to every reader after it."""

import json
import warnings
from pathlib import Path

import pytest
import torch

from htmu_diag.monitor import watch
from htmu_diag.report.overview import overview
from htmu_diag.storage import load_run


def trained(folder: Path, start: int, steps: int, every: object = 5) -> list[str]:
    """Sentences that the training heard."""
    model = torch.nn.Linear(6, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        made = watch(model, optimizer, log_dir=folder, every=every, start_step=start, usual_sinks=False, verbose=False)
        for _ in range(steps):
            model(torch.ones(1, 6)).sum().backward()
            optimizer.step()
        made.close()
    return [str(one.message) for one in heard]


def test_a_run_that_goes_on_beyond_what_is_held_says_so_and_shows_it(tmp_path: Path) -> None:
    assert trained(tmp_path / "run", 0, 10) == []
    (said,) = trained(tmp_path / "run", 100, 10)
    assert "holds nothing after step 10, and this run goes on at step 100" in said
    run = load_run(tmp_path / "run")
    assert run.gaps == ((10, 100),)
    assert run.steps == (0, 5, 10, 100, 105, 110)
    assert any("goes on at step 100" in said for _, said in run.events())
    assert "nothing between steps 10 and 100: the run was continued beyond what it held" in overview(run).alarms
    trained(tmp_path / "run", 10, 95)  # the missing steps, after all
    assert load_run(tmp_path / "run").gaps == ()


@pytest.mark.parametrize(
    ("every", "steps", "start"), [(5, 12, 12), (5, 10, 14), (5, 10, 15), ("log", 57, 74), ([3], 4, 90)]
)
def test_a_run_that_goes_on_where_it_ended_has_no_gap(every: object, steps: int, start: int, tmp_path: Path) -> None:
    trained(tmp_path / "run", 0, steps, every)
    assert trained(tmp_path / "run", start, 3, every) == []
    assert load_run(tmp_path / "run").gaps == ()


def test_a_finer_schedule_than_before_is_no_gap(tmp_path: Path) -> None:
    trained(tmp_path / "run", 0, 25, 10)
    assert trained(tmp_path / "run", 29, 3, 2) == []


@pytest.mark.parametrize("told", ["x", [1], [1, "2"], [1, 2, 3], {"a": 1}, None])
def test_a_gap_that_somebody_wrote_into_the_file_is_none(told: object, tmp_path: Path) -> None:
    trained(tmp_path / "run", 0, 5)
    path = next(tmp_path.rglob("0000-from-0/run.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "gap": told}))
    assert load_run(tmp_path / "run").gaps == ()
