"""The gradient-noise scale from the backward passes of accumulation, where a step takes several.

The k-th backward pass of a step adds g_k = G + noise of covariance Sigma/b (b the micro-batch). The weights stand still
among the K of a step, so nothing but noise differs: sum_k |g_k - m|^2 / (K - 1) is tr(Sigma)/b without bias, and
|m|^2 - tr(Sigma)/(b K) is |G|^2 (McCandlish et al. 2018, appendix A.1). Both are averaged over the steps before their
ratio is taken. From one step to the next (`noise.GradientNoise`) the drift of G counts as noise too, and so does what
is done to ``.grad`` before the step, as clipping.

The passes are seen by hooks on the parameters' accumulation, which only read; they end with the probe.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from htmu_diag.probes.noise import own_reals, picks, seen, sums_of

__all__ = ["MicroMoments", "MicroNoise"]


@dataclass(frozen=True)
class MicroMoments:
    """Sums over the coordinates of each parameter, (2, parameters), added up over steps: of the squared deviations of
    the passes from their step's mean, and of that mean squared, without its noise.

    steps: of two passes or more. passes: in all of these steps. Additive over disjoint sets of coordinates.
    """

    steps: int
    passes: int
    sums: torch.Tensor

    def scale(self, parameters: Sequence[int] | None = None) -> float:
        """B_noise of all parameters, or of those at these places, in units of the batch of a whole step.

        NaN without a step of two passes or a measurable mean. Waits for the device.
        """
        if not self.steps:
            return math.nan
        noise, signal = (value / self.steps for value in sums_of(self.sums, parameters))
        return noise / signal / (self.passes / self.steps) if signal > 0 else math.nan


class MicroNoise:
    """Looks at every backward pass into ``parameters``, at a fixed sample of their coordinates.

    coordinates, seed: as for `GradientNoise`. The gradients are taken to be zero, or None, when a step's first pass
    begins; a pass that adds nothing to a parameter counts as none for it.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], coordinates: int = 2**16, seed: int = 0) -> None:
        self._picks = picks([own_reals(parameter) for parameter in parameters], coordinates, seed)
        self._now: list[_Step | None] = [None] * len(self._picks)
        self._sums: list[torch.Tensor | None] = [None] * len(self._picks)
        self._steps = self._passes = 0
        own = weakref.ref(self)  # a hook keeps nothing alive
        handles = [
            cast(Any, parameter).register_post_accumulate_grad_hook(_hook(own, place))
            for place, parameter in enumerate(parameters)
        ]
        self._handles = weakref.finalize(self, _remove, handles)

    def close(self) -> None:
        """Remove the hooks; harmless when called twice."""
        self._handles()

    def accumulated(self, place: int, gradient: torch.Tensor | None) -> None:
        """A pass has added to the gradient of one parameter."""
        sum_now = seen(None if gradient is None else own_reals(gradient), self._picks[place])
        step = self._now[place]
        if step is None:
            step = self._now[place] = _Step(torch.zeros_like(sum_now), torch.zeros_like(sum_now))
        step.add(sum_now)

    def step(self) -> None:
        """An optimizer has stepped: what came before belongs together."""
        most = max((step.passes for step in self._now if step), default=0)
        if most > 1:
            self._steps, self._passes = self._steps + 1, self._passes + most
            for place, step in enumerate(self._now):
                if step and step.passes > 1:
                    found = step.moments()
                    before = self._sums[place]
                    self._sums[place] = found if before is None else before + found
        self._now = [None] * len(self._picks)

    def take(self) -> MicroMoments:
        """What was seen so far, still on its device; a new window begins."""
        device = next((sums.device for sums in self._sums if sums is not None), torch.device("cpu"))
        none = torch.zeros(2, dtype=torch.float32, device=device)
        sums = torch.stack([none if found is None else found.to(device) for found in self._sums], 1)
        steps, passes, self._steps, self._passes = self._steps, self._passes, 0, 0
        self._sums = [None] * len(self._picks)
        return MicroMoments(steps, passes, sums)


@dataclass
class _Step:
    """Sum, and squared deviations (Welford 1962), of the passes of one step into one parameter."""

    total: torch.Tensor
    squares: torch.Tensor
    passes: int = 0

    def add(self, total: torch.Tensor) -> None:
        gradient = total - self.total
        self.passes += 1
        if self.passes > 1:
            before = self.total / (self.passes - 1)
            self.squares += (gradient - before) * (gradient - total / self.passes)
        self.total = total

    def moments(self) -> torch.Tensor:
        """(2,): noise of one pass, and the mean squared without its noise."""
        noise = self.squares.sum() / (self.passes - 1)
        return torch.stack([noise, (self.total / self.passes).square().sum() - noise / self.passes])


def _hook(own: weakref.ref[MicroNoise], place: int) -> Callable[[torch.Tensor], None]:
    def look(parameter: torch.Tensor) -> None:
        noise = own()
        if noise is not None:
            with torch.no_grad():
                noise.accumulated(place, parameter.grad)

    return look


def _remove(handles: Sequence[torch.utils.hooks.RemovableHandle]) -> None:
    for handle in handles:
        handle.remove()
