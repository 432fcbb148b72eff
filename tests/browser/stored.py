"""The same runs in a store, with their numbers: what `watch` leaves behind."""

from __future__ import annotations

from pathlib import Path

from htmu_diag.analysis import Options, Reading
from htmu_diag.storage import Store
from tests.browser.runs import NAMES, STEPS, record


def store(folder: Path, rate: float, steps: tuple[int, ...] = STEPS, names: tuple[str, ...] = NAMES) -> None:
    """Spectra and numbers of each step, the loss, the settings."""
    options = Options(bootstrap=30)
    info = {"config": {"optimizer": {"lr": rate / 1000}, "steps": 200}, "options": {"bootstrap": 30}}
    with Store(folder, info=info, fsync=False) as kept:
        for step in steps:
            found = record(step, rate, names)
            spectra = [diagnosis.spectrum for diagnosis in found.diagnoses]
            kept.write(step, spectra, wall_time=found.wall_time, scalars=found.scalars, events=found.events)
            kept.write_numbers(step, spectra, [Reading.of(d) for d in found.diagnoses], options)
