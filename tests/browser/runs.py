"""Small runs in the product's own format, diagnosed for real: matrices that leave noise one after another."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np

from htmu_diag.analysis import Diagnosis, Options, StepRecord, diagnose
from htmu_diag.sinks import TensorBoardSink
from htmu_diag.spectrum import Estimator, Kind, Source, Spectrum

NAMES = tuple(f"blocks.{b}.{part}.weight" for b in (0, 2, 10) for part in ("query", "value", "up", "down"))
HOSTILE = "<img src=x onerror=alert(1)>.weight"
DISTINCT = 3  # layers that are diagnosed each for itself
STEPS = (0, 10, 20, 30, 40, 60, 80, 100, 120, 140, 160, 200)


def spectrum(name: str, step: int, rate: float) -> Diagnosis:
    """One layer at one step. Three layers are diagnosed, one of each shape; the next three are as those a measurement
    earlier, and so on, and a run at a higher rate as a slower one is three measurements later."""
    place = NAMES.index(name) if name in NAMES else len(NAMES) - 1
    state = STEPS.index(step) - place // DISTINCT + (3 if rate > 1 else 0)
    found = _diagnosed(place % DISTINCT, STEPS[min(max(state, 0), len(STEPS) - 1)])
    source = replace(found.source, name=name, step=step)
    return replace(found, spectrum=replace(found.spectrum, source=source))


@functools.cache
def _diagnosed(place: int, step: int) -> Diagnosis:
    """Noise to which spikes and then a heavy tail are added."""
    rng = np.random.default_rng([7, place])
    rows, columns = ((48, 96), (64, 64), (40, 160))[place % 3]
    noise = rng.standard_normal((rows, columns))
    left, right = rng.standard_normal((rows, 8)), rng.standard_normal((8, columns))
    strength = max(0.0, step / 60 - 0.12 * place)
    scales = rng.pareto(1.5, (rows, 1)) ** min(0.15 * strength, 0.6)
    matrix = scales / scales.mean() * noise + 0.4 * strength * (left * np.linspace(0.2, 1, 8)) @ right / 8
    values = np.linalg.eigvalsh(matrix @ matrix.T / columns)
    source = Source(Kind.WEIGHTS, NAMES[place], (rows, columns), step, "eigenvalues of W W^T / max(shape)")
    return diagnose(Spectrum.exact(values, source), Options(bootstrap=30))


@functools.cache
def curvature(step: int) -> Diagnosis:
    """A Hessian's density as a quadrature rule: two-sided, with outliers."""
    rng = np.random.default_rng([9, step])
    nodes = np.sort(
        np.concatenate([-(10 ** rng.uniform(-5, -1, 40)), 10 ** rng.uniform(-5, 0, 50), [4.0 + step / 50, 9.0]])
    )
    masses = np.full(nodes.size, (1 - 2e-4) / (nodes.size - 2))
    masses[-2:] = 1e-4  # one eigenvalue each
    source = Source(Kind.HESSIAN, "model", (10_000, 10_000), step, "eigenvalues of the Hessian of the loss")
    return diagnose(Spectrum(nodes, masses, 10_000, source, Estimator("quadrature")), Options(bootstrap=0))


@functools.cache
def kernel(step: int) -> Diagnosis:
    """A kernel of features: eigenvalues down to zero as those of an inverse Gamma law, and a lower tail."""
    values = np.sort(1.0 / np.random.default_rng([11, step]).gamma(1.5 + step / 200, size=120))
    source = Source(Kind.NTK, "model", (120, 400), step, "eigenvalues of the kernel over the samples")
    return diagnose(Spectrum.exact(values, source), Options(bootstrap=0))


def record(step: int, rate: float, names: tuple[str, ...] = NAMES) -> StepRecord:
    """One measurement, with the loss of the training; a layer is missing at step 40, with the reason."""
    kept = [name for name in names if not (step == 40 and name == NAMES[3])]
    events = () if len(kept) == len(names) else (f"{NAMES[3]}: 3 of 64 values are NaN at step 40",)
    diagnoses = [spectrum(name, step, rate) for name in kept]
    more = [curvature(step), kernel(step)] if step % 100 == 0 else []
    return StepRecord(step, 1e9 + step, (*diagnoses, *more), {"train/loss": 3.0 / (1 + rate * step / 30)}, events)


def write(folder: Path, rate: float, steps: tuple[int, ...] = STEPS, names: tuple[str, ...] = NAMES) -> None:
    """A finished run."""
    sink = TensorBoardSink(folder, figure_every=None)
    sink.open({"config": {"optimizer": {"name": "adamw", "lr": rate / 1000}, "steps": 200}}, start_step=0)
    for step in steps:
        sink.write(record(step, rate, names))
    sink.close()
