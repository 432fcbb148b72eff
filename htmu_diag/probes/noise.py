"""The gradient-noise scale from the gradients that the training itself computes, one a step.

With g_t = G + noise of covariance Sigma/B (B the batch), the critical batch is B_noise = tr(Sigma)/|G|^2 (McCandlish et
al. 2018, "An empirical model of large-batch training", eq. 2.8). From n gradients with mean m and sample variance v:
tr(Sigma)/B = sum v, and |G|^2 = |m|^2 - sum v / n without bias. Their ratio is B_noise in units of the training batch.
The drift of G over the n steps counts as noise, so the window is short; clipping and weight decay done on ``.grad``
count too.

Mean and variance of every coordinate would cost two copies of the model. The sums are estimated from a fixed random
sample of coordinates instead, the same share of every tensor; a model no larger than the sample is seen whole. The same
sums over one tensor give its own noise scale: layers differ in it, and a small share of a large model leaves the scale
of a layer the less certain (300 coordinates: 8 %).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from htmu_diag.model.wrappers import local_part

__all__ = ["GradientNoise", "Moments", "own_reals", "picks", "seen", "sums_of"]


@dataclass(frozen=True)
class Moments:
    """Sums over the coordinates of each parameter, (2, parameters): of the squared deviations of n gradients, and of
    their squared mean. Additive over disjoint sets of coordinates, such as the shards of several ranks.
    """

    n: int
    sums: torch.Tensor

    def scale(self, parameters: Sequence[int] | None = None) -> float:
        """B_noise of all parameters, or of those at these places, in units of the training batch.

        NaN with fewer than two gradients or no measurable mean gradient. Waits for the device.
        """
        if self.n < 2:
            return math.nan
        deviations, mean = sums_of(self.sums, parameters)
        variance = deviations / (self.n - 1)
        signal = mean - variance / self.n
        return variance / signal if signal > 0 else math.nan


class GradientNoise:
    """Running mean and variance (Welford 1962) of sampled gradient coordinates, on the gradients' own device.

    coordinates: how many are looked at. 2**16 by default: 0.4 % error of a sum of as many alike terms, 1 MB.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], coordinates: int = 2**16, seed: int = 0) -> None:
        self._picks = picks(parameters, coordinates, seed)
        owners = [torch.full((pick.numel(),), place, device="cpu") for place, pick in enumerate(self._picks)]
        self._device = self._picks[0].device  # of the sums, where parameters lie on several
        self._owner = torch.cat(owners).to(self._device)
        self._n = 0
        self._mean: torch.Tensor | None = None
        self._squares: torch.Tensor | None = None

    def observe(self, gradients: Sequence[torch.Tensor | None]) -> None:
        """Take one step's gradients, in the order of the parameters; None counts as zero. Waits for nothing."""
        found = torch.cat([seen(g, pick).to(self._device) for g, pick in zip(gradients, self._picks, strict=True)])
        if self._mean is None or self._squares is None:
            self._mean, self._squares = torch.zeros_like(found), torch.zeros_like(found)
        self._n += 1
        change = found - self._mean
        self._mean += change / self._n
        self._squares += change * (found - self._mean)

    def take(self) -> Moments:
        """What was seen so far, still on its device; a new window begins."""
        sums = torch.zeros(2, len(self._picks), dtype=torch.float32, device=self._device)
        if self._mean is not None and self._squares is not None:
            sums.index_add_(1, self._owner, torch.stack([self._squares, self._mean.square()]))
        n, self._n, self._mean, self._squares = self._n, 0, None, None
        return Moments(n, sums)


def sums_of(sums: torch.Tensor, parameters: Sequence[int] | None) -> list[float]:
    """(2, parameters) summed over those at these places (None: over all), on the host."""
    there = sums.cpu()  # first: a list of places would be sent to the device, which waits for it
    found: list[float] = (there if parameters is None else there[:, list(parameters)]).sum(1).tolist()
    return found


def picks(parameters: Sequence[torch.Tensor], coordinates: int, seed: int) -> list[torch.Tensor]:
    """Places in each parameter, the same share of every one: all where there are no more than ``coordinates``."""
    share = min(1.0, coordinates / max(sum(parameter.numel() for parameter in parameters), 1))
    generator = torch.Generator().manual_seed(seed)
    return [_pick(parameter, share, generator) for parameter in parameters]


def seen(gradient: torch.Tensor | None, pick: torch.Tensor) -> torch.Tensor:
    """The picked entries in single precision; zeros without a gradient."""
    if gradient is None:
        return torch.zeros(pick.shape, dtype=torch.float32, device=pick.device)
    flat = gradient.to_dense().reshape(-1) if gradient.layout != torch.strided else gradient.reshape(-1)
    return flat[pick].float()


def own_reals(tensor: torch.Tensor) -> torch.Tensor:
    """This rank's part, the two parts of complex entries as two numbers: lengths are the same."""
    part = local_part(tensor)
    return torch.view_as_real(part.detach().resolve_conj()) if part.is_complex() else part


def _pick(parameter: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    size = parameter.numel()
    if share == 1.0:
        return torch.arange(size, device=parameter.device)
    chosen = torch.randint(size, (math.ceil(share * size),), generator=generator, device="cpu")
    return chosen.to(parameter.device)
