"""The kernel probe says what its kernel would learn, and is right about it."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.experiments.studies.common import all_digits, trained_network
from htmu_diag.monitor.plan import Plan
from htmu_diag.probes import NTKProbe, StepContext


def test_predicted_and_measured_errors_of_held_out_digits_agree_and_are_logged(tmp_path: Path) -> None:
    inputs, targets = all_digits(0)
    model = trained_network("mlp", inputs[:200], targets[:200], steps=60, lr=0.02)
    probe = (inputs[200:520], targets[200:520])
    options = {"log_dir": tmp_path, "sinks": (), "options": Options(bootstrap=0), "loss_fn": F.cross_entropy}
    with htmu_diag.watch(model, probes=[NTKProbe(samples=320)], batch=probe, **options):  # type: ignore[arg-type]
        pass
    found = htmu_diag.load_run(tmp_path).record().readings[0].numbers
    for part in ("quarter", "half"):
        predicted, measured = found[f"predicted_error_{part}"], found[f"measured_error_{part}"]
        assert predicted / measured == pytest.approx(1, abs=0.2)
        assert 0 < measured < 1
    assert found["learning_slope"] > 0.2
    assert found["learning_exponent_stderr"] > 0
    spread = found["measured_error_half_stderr"]
    assert abs(found["predicted_error_quarter"] - found["measured_error_half"]) > 3 * spread  # sizes are told apart


def test_targets_that_no_kernel_knows_are_not_learned() -> None:
    inputs, _ = all_digits(1)
    noise = torch.randint(10, (200,), generator=torch.Generator().manual_seed(0))
    model = trained_network("mlp", inputs[:2], noise[:2], steps=0, lr=0.0)
    probe = NTKProbe(samples=200)
    made = Plan.of([probe], 1).probes[0]
    context = StepContext(0, model, batch=(inputs[:200], noise))
    scalars = next(iter(made.measure(context))).scalars
    assert scalars["predicted_error_half"] > 0.95
    assert "predicted_error_half" not in next(iter(probe.measure(context))).scalars
