"""The temperatures of a run, going on where a resumed one left off."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from htmu_diag.errors import StorageError
from htmu_diag.probes.temperature import LR_STEPS, Temperature
from htmu_diag.storage import load_run

__all__ = ["temperature_of"]


def temperature_of(
    optimizer: torch.optim.Optimizer | None, batch_size: int | None, start_step: int, folder: Path
) -> Temperature:
    """For `Monitor`; lr x steps begins with what the folder's run had at this step, and is left out without it."""
    return Temperature(optimizer, batch_size, start_step, _travelled(folder, start_step))


def _travelled(folder: Path, start_step: int) -> float:
    if not start_step:
        return 0.0
    try:
        points = load_run(folder).scalars().get(LR_STEPS, [])
    except StorageError:
        return math.nan
    return next((value for step, value in points if step == start_step), math.nan)
