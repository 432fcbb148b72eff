"""What a diagnosed step costs to write: store, TensorBoard sink, JSON lines, beside torch's plain SummaryWriter.

    python -m benchmarks.sink_cost

CPU time of the whole process for each record (writer threads included) and bytes on disk. The SummaryWriter is given
the same numbers with `add_scalar`, and then each spectrum with `add_histogram` too, as people usually log.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from benchmarks.common import record as publish
from htmu_diag.analysis import Diagnosis, Options, StepRecord, diagnose
from htmu_diag.report import esd_figure, png
from htmu_diag.sinks import JSONLSink, Sink, TensorBoardSink
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store, load_run

SIDE, RECORDS = 256, 20


@dataclass(frozen=True)
class Candidate:
    """A way to write records into a folder. close: flushes, and is timed too."""

    name: str
    folder: Path
    write: Callable[[StepRecord], object]
    close: Callable[[], object] = lambda: None


def main() -> None:
    rows: list[list[object]] = []
    base = _diagnosis()
    for layers in (10, 50):
        records = [_record(base, step, layers) for step in range(RECORDS)]
        with tempfile.TemporaryDirectory() as folder:
            rows += [_row(candidate, layers, records) for candidate in _candidates(Path(folder))]
    drawing = Candidate("a figure of one layer", Path("nowhere"), lambda r: png(esd_figure(r.diagnoses[0]), dpi=80))
    drawing.write(_record(base, 0, 1))  # imports matplotlib
    rows.append(_row(drawing, 1, [_record(base, 0, 1)] * 5))
    columns = ["what", "layers", "CPU ms a record", "wall ms a record", "KB a record"]
    publish("Cost of writing a step", columns, rows, f"{len(base.metrics())} numbers and {SIDE} eigenvalues a layer.")


def _candidates(folder: Path) -> Iterable[Candidate]:
    for fsync in (True, False):
        store = Store(folder / f"store-{fsync}", fsync=fsync)
        yield Candidate(f"Store.write, fsync={fsync}", store.directory, partial(_store, store), store.close)
    run = load_run(folder / "store-True")
    yield Candidate("load_run(...).spectra(step)", Path("nowhere"), lambda r: run.spectra(r.step))
    ours = folder / "tensorboard"
    yield _of_sink("TensorBoardSink.write", TensorBoardSink(ours, figure_every=None), ours)
    yield _of_sink("JSONLSink.write", JSONLSink(folder / "lines" / "m.jsonl"), folder / "lines")
    for histograms in (False, True):
        writer = SummaryWriter(str(folder / f"plain-{histograms}"))
        name = "SummaryWriter: add_scalar" + ", add_histogram" * histograms
        yield Candidate(name, Path(writer.log_dir), partial(_plain, writer, histograms), writer.close)


def _of_sink(name: str, sink: Sink, folder: Path) -> Candidate:
    sink.open({}, start_step=0)
    return Candidate(name, folder, sink.write, sink.close)


def _store(store: Store, record: StepRecord) -> None:
    store.write(record.step, [d.spectrum for d in record.diagnoses], wall_time=record.wall_time)


def _plain(writer: SummaryWriter, histograms: bool, record: StepRecord) -> None:
    for tag, value in record.metrics().items():
        writer.add_scalar(tag, value, record.step)
    for diagnosis in record.diagnoses if histograms else ():
        writer.add_histogram(f"spectrum/{diagnosis.source.name}", diagnosis.spectrum.values, record.step)


def _row(candidate: Candidate, layers: int, records: list[StepRecord]) -> list[object]:
    cpu, wall = time.process_time(), time.perf_counter()
    for record in records:
        candidate.write(record)
    candidate.close()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    size = sum(path.stat().st_size for path in candidate.folder.rglob("*") if path.is_file())
    per_record = (cpu * 1e3 / len(records), wall * 1e3 / len(records), size / 1024 / len(records))
    return [candidate.name, layers, *(float(f"{value:.3g}") for value in per_record)]


def _diagnosis() -> Diagnosis:
    matrix = np.random.default_rng(0).standard_normal((SIDE, 2 * SIDE))
    source = Source(Kind.WEIGHTS, "layer", (SIDE, 2 * SIDE), 0, "eigenvalues of W W^T / max(shape)")
    return diagnose(Spectrum.exact(np.linalg.eigvalsh(matrix @ matrix.T / (2 * SIDE)), source), Options(bootstrap=20))


def _record(base: Diagnosis, step: int, layers: int) -> StepRecord:
    """The same numbers for every layer and step: only their writing is timed."""

    def named(i: int) -> Diagnosis:
        source = replace(base.source, name=f"layers.{i}.weight", step=step)
        return replace(base, spectrum=replace(base.spectrum, source=source))

    return StepRecord(step, time.time(), tuple(named(i) for i in range(layers)))


if __name__ == "__main__":
    main()
