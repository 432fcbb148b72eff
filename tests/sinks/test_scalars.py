"""Scalars of layers are thinned in long runs of large models; nothing else is, and a curve ends where the run ends."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from htmu_diag.analysis import StepRecord
from htmu_diag.sinks import TensorBoardSink, scalars
from htmu_diag.sinks.scalars import EACH, FEW_LAYERS, thinned

Make = Callable[..., StepRecord]
MANY = tuple(f"blocks.{block}.up" for block in range(FEW_LAYERS + 1))


def test_each_doubling_of_the_measurements_logs_half_as_many_points(record: Make) -> None:
    large = record(0, MANY)
    due = np.array([not thinned(large, number) for number in range(4 * EACH)])
    assert due[:EACH].all()
    assert [int(due[EACH * a : EACH * b].sum()) for a, b in ((1, 2), (2, 4))] == [EACH // 2, EACH // 2]
    assert not any(thinned(record(0), number) for number in range(4 * EACH))  # a small model


def test_a_thinned_curve_ends_where_the_run_ends_and_averages_hold_all(
    record: Make, read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scalars, "EACH", 4)
    large, steps = record(0, MANY, scalars={"train/loss": 1.0}), range(8)
    for how in ("few", "all"):
        sink = TensorBoardSink(tmp_path / how, scalars=how)  # type: ignore[arg-type]
        sink.open({}, start_step=0)
        for step in steps:
            sink.write(replace(large, step=step))
        sink.close()
        sink.close()  # writes nothing again
    found = read(tmp_path)
    layer = {run: [step for step, _ in points] for run, points in found.scalars(f"weights_spikes/{MANY[0]}").items()}
    assert layer == {"few": [0, 1, 2, 3, 4, 6, 7], "all": list(steps)}
    for tag in ("summary/weights_alpha_mean", "train/loss"):
        assert {run: len(points) for run, points in found.scalars(tag).items()} == dict.fromkeys(layer, len(steps))
