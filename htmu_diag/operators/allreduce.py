"""One operator over the data of all ranks: every product is averaged, weighted by samples.

Every rank runs the same solver on the same vectors, so results agree to the last bit where all_reduce does. A checksum
of the vector travels with each product: ranks that use different start vectors are told so instead of getting noise.
"""

from __future__ import annotations

from typing import Any, final

import torch
import torch.distributed as dist

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.base import as_columns
from htmu_diag.operators.model_operator import ModelOperator

__all__ = ["AllReduced"]


@final
class AllReduced:
    """The mean over samples of every rank's ``operator``; all ranks must call every product.

    group: a process group, the default one where None. Raises InputError where no group is running or the operator is
    no mean over samples (a centred covariance: centre ``AllReduced(second_moment)`` about ``.gradient()`` instead).
    """

    def __init__(self, operator: ModelOperator, group: Any = None) -> None:
        if not dist.is_initialized():
            raise InputError("AllReduced needs torch.distributed.init_process_group to have been called")
        if not getattr(operator, "averages", False) or operator.reduction != "mean":
            raise InputError(
                f"{type(operator).__name__} is no mean over samples; use Centred(AllReduced(second_moment), mean) or "
                "reduction='mean'"
            )
        self.operator, self.group = operator, group
        self.shape, self.dtype, self.device = operator.shape, operator.dtype, operator.device
        total = torch.tensor([float(operator.samples)], dtype=torch.float64, device=operator.device)
        dist.all_reduce(total, group=group)
        self.share = operator.samples / float(total)

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        """A v over all ranks, (N,); MeasurementError on every rank where their vectors differ."""
        product = self._summed(torch.cat([self.share * self.operator.matvec(vector), self._checksum(vector)]))
        mean, square = float(product[-2]), float(product[-1])
        if square - mean**2 > 1e-5 * max(square, 1e-30):
            raise MeasurementError("the ranks multiply different vectors; give each rank the same seed and parameters")
        return product[:-2]

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        return as_columns(self, columns)

    def gradient(self) -> torch.Tensor:
        """The gradient of the loss over the data of all ranks, (N,)."""
        return self._summed(self.share * self.operator.gradient())

    def _summed(self, tensor: torch.Tensor) -> torch.Tensor:
        dist.all_reduce(tensor, group=self.group)
        return tensor

    def _checksum(self, vector: torch.Tensor) -> torch.Tensor:
        """A random-looking linear form of the vector and its square, over the number of ranks."""
        signs = torch.cos(torch.arange(vector.numel(), device=vector.device, dtype=torch.float64) ** 2)
        value = (vector.double() * signs).sum() / (vector.double().norm() + 1e-300)
        return (torch.stack([value, value**2]) / dist.get_world_size(self.group)).to(vector.dtype)
