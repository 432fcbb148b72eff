"""What a run leaves behind as numbers: those of its end, whatever it was before."""

import math
from pathlib import Path

import numpy as np

from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.experiments.work import numbers_of_run
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store

FAST = Options(bootstrap=0)


def spectrum(kind: Kind, name: str, step: int) -> Spectrum:
    values = np.random.default_rng([step, 40]).random(40)
    return Spectrum.exact(values, Source(kind, name, (40, 60), step))


def run(folder: Path, failing: dict[int, list[str]]) -> Path:
    """Weights of two layers at steps 0, 10, 20, gradient noise at 0; failing: step -> layers that are NaN there."""
    with Store(folder, info={"options": {"bootstrap": 0}}, fsync=False) as store:
        for step in (0, 10, 20):
            lost = failing.get(step, [])
            found = [spectrum(Kind.WEIGHTS, name, step) for name in ("a", "b") if name not in lost]
            found += [spectrum(Kind.GRADIENT_NOISE, "model", step)] * (step == 0)
            events = [f"{name} (weights, step {step}): 9 of 9 weights are NaN" for name in lost]
            loss = math.nan if lost else 1.0 / (1 + step)
            store.write(step, found, scalars={"train/loss": loss, "test/accuracy": 0.1}, events=events)
            store.write_numbers(step, found, [Reading.of(diagnose(one, FAST)) for one in found], FAST)
    return folder


def test_numbers_are_those_of_the_last_measurement_of_each(tmp_path: Path) -> None:
    numbers, curves = numbers_of_run(run(tmp_path, {}))
    assert numbers["train/loss"] == 1 / 21
    assert numbers["weights_alpha/a"] == dict(curves["weights_alpha/a"])[20.0]
    assert numbers["gradient_noise_alpha/model"] == dict(curves["gradient_noise_alpha/model"])[0.0]  # rarely measured


def test_a_run_that_diverged_has_no_numbers_of_what_it_was_before(tmp_path: Path) -> None:
    numbers, curves = numbers_of_run(run(tmp_path, {10: ["a", "b"], 20: ["a", "b"]}))
    assert [step for step, _ in curves["weights_alpha/a"]] == [0.0]
    assert [step for step, _ in curves["train/loss"]] == [0.0]
    assert not [tag for tag in numbers if tag.startswith(("weights_", "summary/weights_", "train/loss"))]
    assert {"test/accuracy", "gradient_noise_alpha/model"} <= numbers.keys()


def test_a_layer_that_failed_has_none_and_one_that_came_back_has_its_own(tmp_path: Path) -> None:
    one, _ = numbers_of_run(run(tmp_path / "lost", {20: ["a"]}))
    assert "weights_alpha/a" not in one
    assert {"weights_alpha/b", "summary/weights_alpha_mean"} <= one.keys()
    back, curves = numbers_of_run(run(tmp_path / "back", {10: ["a"]}))
    assert back["weights_alpha/a"] == dict(curves["weights_alpha/a"])[20.0]
