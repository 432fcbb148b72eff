"""The temperatures of a training that are no spectrum: learning rate, learning rate over batch size, lr x steps.

They stand beside every snapshot, since each of them explains much of what is taken for the effect of another: at equal
steps a higher rate is a hotter training *and* a longer way (lr x steps; ``distance`` of each layer).
"""

from __future__ import annotations

import math

import torch

__all__ = ["Temperature"]

LR, LR_OVER_BATCH, LR_STEPS = "temperature/lr", "temperature/lr_over_batch", "temperature/lr_steps"


class Temperature:
    """Reads the optimizer's first group when asked. Between two readings the rate is taken to change evenly.

    batch_size: samples in one step, None where it is not known. start: steps taken before. travelled: lr x steps up to
    there; NaN where a resumed run does not know it.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer | None, batch_size: int | None, start: int, travelled: float = 0.0
    ) -> None:
        self._optimizer, self._batch_size = optimizer, batch_size
        self._step, self._rate, self._travelled = start, math.nan, travelled

    def numbers(self, step: int) -> dict[str, float]:
        """By tag; empty without an optimizer, and for a rate that lies on a device."""
        rate = self._read()
        if not math.isfinite(rate):
            return {}
        before = self._rate if math.isfinite(self._rate) else rate
        self._travelled += (step - self._step) * (before + rate) / 2
        self._step, self._rate = step, rate
        found = {LR: rate, LR_STEPS: self._travelled}
        if self._batch_size:
            found[LR_OVER_BATCH] = rate / self._batch_size
        return {tag: value for tag, value in found.items() if math.isfinite(value)}

    def _read(self) -> float:
        if self._optimizer is None or not self._optimizer.param_groups:
            return math.nan
        rate = self._optimizer.param_groups[0].get("lr", math.nan)
        if isinstance(rate, torch.Tensor):
            return float(rate) if rate.device.type == "cpu" else math.nan  # reading it would wait for the device
        return float(rate)
