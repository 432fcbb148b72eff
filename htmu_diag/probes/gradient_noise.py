"""Gradient noise on the fixed probe batch: the spectrum of its covariance, its scale and its tail.

The batch of N samples is cut into M groups of b = N / M; their gradients g_1 .. g_M have covariance Sigma / b about G.
With D the matrix of deviations (M, P), the M - 1 non-zero eigenvalues of b D D^T / (M - 1) are those of the estimated
Sigma. Noise scale: tr(Sigma) / |G|^2 (McCandlish et al. 2018), in units of the probe batch. Tail index of the entries
of D as an alpha-stable law: 2 for Gaussian noise, below for heavy tails (Mohammadi et al. 2015, cor. 2.4;
Simsekli, Sagun & Gurbuzbalaban 2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.batches import cached, rows
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.probes.base import Need, StepContext
from htmu_diag.probes.probe_batch import evaluating
from htmu_diag.spectrum import Kind, Source, Spectrum

__all__ = ["GradientNoiseProbe", "stable_tail_index"]


@dataclass(frozen=True)
class GradientNoiseProbe:
    """The covariance spectrum of ``groups`` gradients, with scalars ``noise_scale`` and ``noise_tail_index``.

    groups: 32 by default: M gradients of the model are held at once.
    """

    groups: int = 32
    name: str = "gradient_noise"
    needs: frozenset[Need] = frozenset({"model", "batch", "loss_fn"})
    kinds: ClassVar = (Kind.GRADIENT_NOISE,)

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        """One spectrum. Raises MeasurementError for a batch of fewer than four samples."""
        with evaluating(context) as model:
            gradients, size = self._gradients(model, context)
        count = gradients.shape[0]
        mean = gradients.mean(0)
        deviations = gradients - mean
        gram = (deviations @ deviations.T).double() * (size / (count - 1))
        values = torch.linalg.eigvalsh(gram)[1:].clamp_min(0).cpu().numpy()
        total = float(values.sum())
        signal = float(mean.double().square().sum()) - total / (size * count)
        scalars = {"noise_tail_index": stable_tail_index(deviations.reshape(-1))}
        if signal > 0:
            scalars["noise_scale"] = total / signal / (size * count)
        unit = "non-zero eigenvalues of the covariance of per-sample gradients"
        source = Source(Kind.GRADIENT_NOISE, "model", (count, gradients.shape[1]), context.step, unit)
        finite = {name: value for name, value in scalars.items() if math.isfinite(value)}
        yield Spectrum.exact(values, source, routine=f"gram of {count} group gradients", scalars=finite)

    def _gradients(self, model: torch.nn.Module, context: StepContext) -> tuple[torch.Tensor, int]:
        if context.batch is None or context.loss_fn is None:
            raise MeasurementError("gradient_noise needs a batch and a loss; pass watch(batch=..., loss_fn=...)")
        choices: dict[str, Any] = {
            "include": context.include,
            "output": context.output,
            "reduction": context.loss_reduction,
        }
        whole = HessianOperator(model, context.loss_fn, context.batch, **choices)
        samples = whole.samples
        if samples < 4:
            raise MeasurementError(f"a batch of {samples} samples has no gradient noise to measure; pass four or more")
        size = max(1, samples // max(2, min(self.groups, samples)))
        batches = [rows(whole.batches[0], first, first + size) for first in range(0, samples - size + 1, size)]
        found = []
        for batch in batches:
            whole.batches = cached(batch, device=whole.device, dtype=whole.dtype)
            found.append(whole.gradient() / (size if whole.reduction == "sum" else 1))
        return torch.stack(found), size


def stable_tail_index(values: torch.Tensor) -> float:
    """Index in (0, 2] of a symmetric alpha-stable law from (n,) values; NaN for fewer than 16 non-zero ones.

    1 / alpha = (E log|sum of K values| - E log|value|) / log K, K about sqrt(n).
    """
    live = values[values != 0].double()
    group = int(math.sqrt(live.numel()))
    if group < 4:
        return math.nan
    order = torch.randperm(live.numel(), generator=torch.Generator().manual_seed(0), device="cpu").to(live.device)
    mixed = live[order][: group * group].view(group, group)
    gap = mixed.sum(1).abs().clamp_min(1e-300).log().mean() - mixed.abs().log().mean()
    return min(2.0, math.log(group) / float(gap)) if float(gap) > 0 else 2.0
