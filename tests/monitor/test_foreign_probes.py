"""A probe that this package does not know: what it declares counts, what it does not declare costs nobody anything."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import htmu_diag
from htmu_diag.analysis import QUANTITIES, Options, Quantity
from htmu_diag.kinds import Kind
from htmu_diag.probes import StepContext
from htmu_diag.sinks import MemorySink
from htmu_diag.spectrum import Source, Spectrum
from tests.monitor.helpers import Task

MINE = Quantity("foreign_number", "m", "1", 0, math.inf, "A number of mine.", "mine", mean="mean")
PLAIN = Options(bootstrap=0)


class Foreign:
    """A spectrum of its own kind, with a number."""

    name, needs = "mine", frozenset({"model"})
    kinds = (Kind("foreign", lower_tail=True),)
    samples = "all of them"  # nothing that is declared

    def __init__(self, number: str = "foreign_number") -> None:
        self._number = number

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        source = Source(Kind("foreign"), "w", (59, 80), context.step, "x")
        yield Spectrum.exact(np.arange(1.0, 60), source, scalars={self._number: 1.0 + context.step})


class Declared(Foreign):
    """The same with its row of the table."""

    quantities = (MINE,)


@pytest.fixture(autouse=True)
def _table() -> Iterator[None]:
    """The table as it was."""
    before = dict(QUANTITIES)
    yield
    QUANTITIES.clear()
    QUANTITIES.update(before)


def watched(folder: Path, *probes: object) -> dict[str, float]:
    """The tags of the last of two steps."""
    task, sink = Task(), MemorySink()
    with htmu_diag.watch(
        task.model,
        task.optimizer,
        log_dir=folder,
        every=1,
        probes=["weights", *probes],
        sinks=[sink],
        usual_sinks=False,
        options=PLAIN,
    ):
        task.train(2)
    return sink.records[-1].metrics()


def test_a_number_that_no_table_knows_costs_itself_and_one_sentence(tmp_path: Path) -> None:
    without = watched(tmp_path / "without")
    with pytest.warns(RuntimeWarning, match="'nobody_knows', which no table knows") as warned:
        found = watched(tmp_path / "with", Foreign("nobody_knows"))
    assert len(warned) == 1
    assert without.items() <= found.items()
    assert "foreign_alpha/w" in found
    run = htmu_diag.load_run(tmp_path / "with")
    assert run.diagnose().metrics() == found
    assert [sentence for _, sentence in run.events()] == [
        "the probe 'mine' brings the number 'nobody_knows', which no table knows: "
        "add its Quantity to the probe's quantities"
    ]


def test_a_declared_number_is_a_curve_live_and_where_the_probe_is_not(tmp_path: Path) -> None:
    found = watched(tmp_path, Declared())
    assert found["foreign_foreign_number/w"] == found["summary/foreign_foreign_number_mean"] == 3.0
    QUANTITIES.pop("foreign_number")
    run = htmu_diag.load_run(tmp_path)
    assert QUANTITIES["foreign_number"] == MINE
    assert run.diagnose().metrics() == found
    assert run.metrics("foreign_number", kind="foreign").values[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_a_foreign_kind_has_the_fits_that_it_asked_for(tmp_path: Path) -> None:
    found = watched(tmp_path, Declared())
    assert "foreign_lower_exponent/w" in found
    assert "foreign_kappa/w" not in found


def test_a_sentence_of_a_probe_is_stored_once(tmp_path: Path) -> None:
    class Talking(Declared):
        observes = True

        def observe(self, context: StepContext) -> None:
            if context.step == 1:
                context.say("one half is gone")

    watched(tmp_path, Talking())
    assert htmu_diag.load_run(tmp_path).events() == [(1, "one half is gone")]


@pytest.mark.parametrize(
    ("found", "sentence"),
    [([], "mine: gave no spectrum"), ([3], "mine: MeasurementError: measure yields int; yield an htmu_diag.Spectrum")],
)
def test_a_probe_that_gives_no_spectrum_is_told(found: list[object], sentence: str, tmp_path: Path) -> None:
    class Giving(Foreign):
        def measure(self, context: StepContext) -> Iterator[Spectrum]:
            yield from found  # type: ignore[misc]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        watched(tmp_path / "run", Giving())
    records = htmu_diag.load_run(tmp_path / "run").records()
    assert [sentence in record.events for record in records] == [True] * 3
