"""A run of very many steps: ``python benchmarks/long_run.py [STEPS]`` (100,000 by default, one small matrix a step).

CPU milliseconds of the first access in a run that was just loaded, and of a later one; what closing costs; files.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Run, Store, load_run

FITTED = Options(bootstrap=0, tail_only=True)


def main(steps: int) -> None:
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), steps)
        chosen = random.Random(0).sample(range(steps), 20)
        report("spectra", lambda run, step: run.spectra(step), folder, chosen)
        report("numbers", lambda run, step: run.record(step), folder, chosen)
        began = time.process_time()
        count = len(load_run(folder).steps)
        print(f"list of {count} steps, ms   {1000 * (time.process_time() - began):.1f}")
        print(f"files   {sum(path.is_file() for path in Path(folder).rglob('*'))}")


def report(what: str, access: Callable[[Run, int], object], folder: str, steps: list[int]) -> None:
    print(f"{what} of any step, first access, ms   {times(lambda step: access(load_run(folder), step), steps)}")
    run = load_run(folder)
    access(run, 0)
    print(f"{what} of any step, later access, ms   {times(lambda step: access(run, step), steps)}")


def write(folder: Path, steps: int) -> None:
    values = np.random.default_rng(0).random(16)
    one = Spectrum.exact(values, Source(Kind.WEIGHTS, "fc.weight", (16, 24), 0))
    reading = Reading.of(diagnose(one, FITTED))
    store = Store(folder, info={"options": asdict(FITTED)}, fsync=False)
    began = time.process_time()
    for step in range(steps):
        store.write(step, [one], wall_time=0.0)
        store.write_numbers(step, [one], [reading], FITTED, wall_time=0.0)
    print(f"a step written, packing included, ms   {1000 * (time.process_time() - began) / steps:.3f}")
    began = time.process_time()
    store.close()
    print(f"close, ms   {1000 * (time.process_time() - began):.1f}")


def times(access: Callable[[int], object], steps: list[int]) -> str:
    """Median and largest of these accesses."""
    taken = []
    for step in steps:
        began = time.process_time()
        access(step)
        taken.append(1000 * (time.process_time() - began))
    return f"{np.median(taken):.2f} (largest {max(taken):.2f})"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
