"""The covariance of per-sample gradients: what gradient noise is made of.

Second moment C = (1/N) sum g_i g_i^T and, centred, C - g g^T with g the mean gradient. Valid where samples do not mix
(no BatchNorm in training mode), since g_i is taken as J_i^T times the slope of the loss in output i.
"""

from __future__ import annotations

from typing import Any, final

import torch

from htmu_diag.arguments import FLAG, checked
from htmu_diag.operators.base import Operator
from htmu_diag.operators.batches import Batch
from htmu_diag.operators.fisher import of_squares, score_outer
from htmu_diag.operators.output_curvature import OutputCurvature

__all__ = ["Centred", "GradientSecondMoment", "gradient_covariance"]


@final
class GradientSecondMoment(OutputCurvature):
    """(1/N) sum_i g_i g_i^T over the samples of all batches. Arguments: see ``ModelOperator``."""

    def _output_shape(self, outputs: torch.Tensor, batch: Batch) -> Any:
        return score_outer(self.stage.model, self._loss_of.of_outputs, outputs, batch, self.reduction)

    def combined(self, count_share: float, row_share: float) -> float:
        return of_squares(count_share, row_share)

    def _curve(self, shape: Any, tangent: torch.Tensor) -> torch.Tensor:
        score: torch.Tensor = shape[0][0]
        flat = score.reshape(score.shape[0], -1)
        inner = (flat * tangent.reshape(flat.shape)).sum(1)
        return (flat * inner[:, None]).view_as(score).mul(float(shape[1]))


class Centred:
    """A - m m^T: a second moment about its mean ``m`` (N,)."""

    averages = False  # the covariance of all data is not the mean of those of its parts

    def __init__(self, operator: Operator, mean: torch.Tensor) -> None:
        self.operator, self.mean = operator, mean
        self.shape, self.dtype, self.device = operator.shape, operator.dtype, operator.device

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        return self.operator.matvec(vector) - self.mean * self.mean.dot(vector)

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        return self.operator.matmat(columns) - torch.outer(self.mean, self.mean @ columns)


@checked(centred=FLAG)
def gradient_covariance(
    model: torch.nn.Module, loss_fn: Any, data: Any, *, centred: bool = True, **options: Any
) -> Operator:
    """The covariance operator of the per-sample gradients, (P, P); uncentred with ``centred=False``."""
    moment = GradientSecondMoment(model, loss_fn, data, **options)
    return Centred(moment, moment.gradient()) if centred else moment
