"""What a sink must bear: the order open, write, close, twice, with every record that a run may send."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from htmu_diag.analysis import Options, StepRecord, diagnose
from htmu_diag.sinks import Sink
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.testing.demand import demand

__all__ = ["check_sink"]


def check_sink(make: Callable[[], Sink]) -> Sink:
    """Send a run, its resumption and awkward records through a sink that ``make`` gives; returns it, closed."""
    sink = make()
    demand(isinstance(sink, Sink), sink, "has not open, write and close")
    sink.open({"config": {"lr": 0.1}}, start_step=0)
    for step in (0, 100):
        sink.write(_record(step))
    sink.write(StepRecord(100, 1.0, scalars={"train/loss": math.nan, "test/accuracy": 0.5}))
    sink.write(StepRecord(150, 1.0, events=("[red]fc2[/red]: 3 of 64 values are NaN", "été")))
    sink.close()
    sink.close()
    sink.open({}, start_step=100)
    sink.write(_record(200))
    sink.close()
    other = make()
    other.close()
    return sink


def _record(step: int) -> StepRecord:
    """Spectra of two kinds, one of them of zeros."""
    values = {Kind.WEIGHTS: np.linspace(0.1, 4.0, 40), Kind.HESSIAN: np.zeros(12)}
    spectra = [Spectrum.exact(v, Source(kind, "blocks.0", (v.size, 2 * v.size), step)) for kind, v in values.items()]
    diagnoses = tuple(diagnose(spectrum, Options(bootstrap=0)) for spectrum in spectra)
    return StepRecord(step, 1.0, diagnoses, scalars={"train/loss": 1.0})
