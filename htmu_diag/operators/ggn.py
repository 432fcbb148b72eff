"""The generalised Gauss-Newton matrix J^T H_L J: the Hessian without the curvature of the model (Schraudolph 2002)."""

from __future__ import annotations

from typing import Any, final

import torch

from htmu_diag.operators.batches import Batch
from htmu_diag.operators.output_curvature import OutputCurvature

__all__ = ["GGNOperator"]


@final
class GGNOperator(OutputCurvature):
    """J^T (d^2 L / d f^2) J; positive semi-definite for losses convex in the output. Arguments as ``ModelOperator``."""

    def _output_shape(self, outputs: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        point = outputs.clone().requires_grad_(True)
        (slope,) = torch.autograd.grad(self._loss_of.of_outputs(point, batch.targets), point, create_graph=True)
        return point, slope

    def _curve(self, shape: Any, tangent: torch.Tensor) -> torch.Tensor:
        point: torch.Tensor = shape[0]
        slope: torch.Tensor = shape[1]
        if not slope.requires_grad:  # a loss linear in the output
            return torch.zeros_like(tangent)
        return torch.autograd.grad(slope, point, tangent, retain_graph=True, materialize_grads=True)[0]
