"""What a sink must bear: the order open, write, close, twice, with every record that a run may send."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from htmu_diag.analysis import Options, StepRecord, diagnose
from htmu_diag.sinks import Sink
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.testing.demand import attempt, demand, demand_object

__all__ = ["check_sink"]


def check_sink(make: Callable[[], Sink]) -> Sink:
    """Send a run, its resumption and awkward records through a sink that ``make`` gives; returns it, closed."""
    sink = _made(make)
    _open(sink, {"config": {"lr": 0.1}}, 0)
    for step in (0, 100):
        _write(sink, _record(step))
    _write(sink, StepRecord(100, 1.0, scalars={"train/loss": math.nan, "test/accuracy": 0.5}))
    _write(sink, StepRecord(150, 1.0, events=("[red]fc2[/red]: 3 of 64 values are NaN", "été")))
    _close(sink, "close()")
    _close(sink, "a second close()")
    _open(sink, {}, 100)
    _write(sink, _record(200))
    _close(sink, "close()")
    _close(_made(make), "close() of a sink that was never opened")
    return sink


def _made(make: Callable[[], Sink]) -> Sink:
    with attempt(make, "make()", "pass a function without arguments that gives a new sink"):
        sink = make()
    demand_object(sink)
    demand(isinstance(sink, Sink), sink, "has not open, write and close")
    return sink


def _open(sink: Sink, run: Mapping[str, Any], start_step: int) -> None:
    call = f"open({dict(run)}, start_step={start_step})"
    with attempt(sink, call, "it must take open(run, *, start_step), with any run, and again after close()"):
        sink.open(run, start_step=start_step)


def _write(sink: Sink, record: StepRecord) -> None:
    what = f"{len(record.diagnoses)} diagnoses, scalars {sorted(record.scalars)}, {len(record.events)} events"
    call = f"write(record) at step {record.step} ({what})"
    with attempt(sink, call, "it must bear every record that a run may send"):
        write: Callable[[StepRecord], object] = sink.write
        given = write(record)
    demand(given is None, sink, f"{call} gives a {type(given).__name__}; it must do its work and give None")


def _close(sink: Sink, call: str) -> None:
    with attempt(sink, call, "it must close at any time, any number of times"):
        sink.close()


def _record(step: int) -> StepRecord:
    """Spectra of two kinds, one of them of zeros."""
    values = {Kind.WEIGHTS: np.linspace(0.1, 4.0, 40), Kind.HESSIAN: np.zeros(12)}
    spectra = [Spectrum.exact(v, Source(kind, "blocks.0", (v.size, 2 * v.size), step)) for kind, v in values.items()]
    diagnoses = tuple(diagnose(spectrum, Options(bootstrap=0)) for spectrum in spectra)
    return StepRecord(step, 1.0, diagnoses, scalars={"train/loss": 1.0})
