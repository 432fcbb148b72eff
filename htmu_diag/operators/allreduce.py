"""One operator over the data of all ranks: every product is averaged, weighted by what the mean of the loss is over.

Every rank runs the same solver on the same vectors, so results agree to the last bit where all_reduce does. A checksum
of the vector travels with each product: ranks that use different start vectors are told so instead of getting noise.
A rank whose product fails still takes part, with NaN, so that the others fail too instead of waiting for it.
"""

from __future__ import annotations

import math
from typing import Any, final

import torch
import torch.distributed as dist

from htmu_diag.errors import HTMUError, InputError, MeasurementError
from htmu_diag.model.leaving import summed
from htmu_diag.operators.base import as_columns
from htmu_diag.operators.model_operator import ModelOperator

__all__ = ["AllReduced"]

_FAILURES = (HTMUError, RuntimeError, MemoryError)  # no memory for a product is a RuntimeError or a MemoryError


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
        self._of_loss, self.share = self._shares()

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        """A v over all ranks, (N,); MeasurementError on every rank where their vectors differ or one rank fails."""
        failure: Exception | None = None
        try:
            local = self.share * self.operator.matvec(vector)
        except _FAILURES as problem:
            failure, local = problem, torch.full_like(vector, math.nan)
        product = self._summed(torch.cat([local, self._checksum(vector)]))
        if failure is not None:
            raise failure
        if bool(product[:-2].isnan().any()):
            raise MeasurementError("the product is NaN on another rank; its own message says why")
        mean, square = float(product[-2]), float(product[-1])
        if square - mean**2 > 1e-5 * max(square, 1e-30):
            raise MeasurementError("the ranks multiply different vectors; give each rank the same seed and parameters")
        return product[:-2]

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        return as_columns(self, columns)

    def gradient(self) -> torch.Tensor:
        """The gradient of the loss over the data of all ranks, (N,)."""
        return self._summed(self._of_loss * self.operator.gradient())

    def _shares(self) -> tuple[float, float]:
        """This rank's share of the loss, and the weight of its products. HTMUError on all ranks where one has none."""
        failure: Exception | None = None
        number, rows = math.nan, float(self.operator.samples)
        try:
            tally = self.operator.tally()
            number = sum(tally.numbers) if tally.absolute else math.nan
        except _FAILURES as problem:
            failure = problem
        total = self._summed(torch.tensor([number, rows], dtype=torch.float64, device=self.device))
        if failure is not None:
            raise failure
        if not float(total[0]) > 0:
            raise InputError(
                "what the mean of the loss is over cannot be compared between ranks; pass a loss that is a mean over "
                "rows or a torch.nn.CrossEntropyLoss, or measure on one rank"
            )
        of_loss = number / float(total[0])
        return of_loss, self.operator.combined(of_loss, rows / float(total[1]))

    def agreed(self, number: int) -> int:
        """The smallest of the ranks' numbers: what depends on a machine's memory must not differ between ranks."""
        found = torch.tensor([number], dtype=torch.int64, device=self.device)
        return int(summed(found, self.group, dist.ReduceOp.MIN))

    def _summed(self, tensor: torch.Tensor) -> torch.Tensor:
        return summed(tensor, self.group)

    def _checksum(self, vector: torch.Tensor) -> torch.Tensor:
        """A random-looking linear form of the vector and its square, over the number of ranks."""
        signs = torch.cos(torch.arange(vector.numel(), device=vector.device, dtype=torch.float64) ** 2)
        value = (vector.double() * signs).sum() / (vector.double().norm() + 1e-300)
        return (torch.stack([value, value**2]) / dist.get_world_size(self.group)).to(vector.dtype)
