"""CPU seconds of reading a run back: ``python benchmarks/run_reading.py [STEPS]`` (26 matrices a step, 121 by default).

Numbers are stored beside spectra, so that nothing is fitted: rows of a table, one quantity, one step, beside reading
the spectra and fitting them again.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store, load_run

LAYERS = 26
FITTED = Options(bootstrap=0)


def main(steps: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), steps)
        import pandas  # noqa: F401  its import is not what is measured

        spectra = LAYERS * steps
        print(f"{LAYERS} matrices x {steps} steps")
        for name, work, count in (
            ("load_run + to_pandas, s", lambda: load_run(folder).to_pandas(), 1),
            ("load_run + metrics('alpha'), s", lambda: load_run(folder).metrics("alpha"), 1),
            ("a spectrum of the table, ms", lambda: load_run(folder).to_pandas(), spectra / 1000),
            ("spectra of one step, ms", lambda: load_run(folder).spectra(steps // 2), 1 / 1000),
            ("numbers of one step, ms", lambda: load_run(folder).record(steps // 2), 1 / 1000),
            ("one spectrum fitted again, ms", lambda: load_run(folder).diagnose(steps // 2), LAYERS / 1000),
        ):
            print(f"{name:<34} {best(work) / count:.4f}")
        numbers = sum(path.stat().st_size for path in Path(folder).rglob("numbers*"))
        print(f"{'bytes of numbers a spectrum':<34} {numbers / spectra:.0f}")


def write(folder: Path, steps: int) -> None:
    """A run of random matrices of 64 to 128 rows; the fits of one step are written at every step."""
    rng = np.random.default_rng(0)
    sides = [64 + 64 * (layer % 2) for layer in range(LAYERS)]
    draws = [np.linalg.svd(rng.standard_normal((n, 2 * n)), compute_uv=False) ** 2 / (2 * n) for n in sides]
    layers = [
        Spectrum.exact(values, Source(Kind.WEIGHTS, f"h.{i}.weight", (n, 2 * n), 0))
        for i, (values, n) in enumerate(zip(draws, sides, strict=True))
    ]
    readings = [Reading.of(diagnose(layer, FITTED)) for layer in layers]
    with Store(folder, info={"options": asdict(FITTED)}, fsync=False) as store:
        for step in range(steps):
            store.write(step, [layer.at_step(step) for layer in layers])
            store.write_numbers(step, layers, readings, FITTED)


def best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(5):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 121)
