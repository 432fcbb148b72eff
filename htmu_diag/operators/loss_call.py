"""What of a model's return the loss is given: the tensor of outputs, or all of it.

A loss is written for one tensor (``F.cross_entropy``) or for whatever the model returns (``out.loss``, the balance of
experts beside the logits). Names tell these apart, indices do not: ``out[1]`` is the second part of a tuple and the
second row of a tensor. So where a model returns more than a tensor both are tried, once: what the loss makes of the
whole counts, unless it makes the same of the outputs alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch

from htmu_diag.errors import InputError
from htmu_diag.operators.sample_function import Output, pick_output
from htmu_diag.undisturbed import undisturbed

__all__ = ["LossCall", "LossFn"]

LossFn = Callable[[Any, Any], torch.Tensor]
_NOT_FOR_IT = (AttributeError, LookupError, TypeError, ValueError, RuntimeError, AssertionError)


class LossCall:
    """``loss_fn`` on what a model returns. output: picks the outputs; another than the default one is believed."""

    def __init__(self, loss_fn: LossFn, output: Output) -> None:
        self._loss_fn, self._output = loss_fn, output
        self.reads_all = False
        self._settled = output is not pick_output

    def __call__(self, result: Any, targets: Any) -> torch.Tensor:
        self.settle(result, targets)
        return self._loss_fn(result if self.reads_all else self._output(result), targets)

    def settle(self, result: Any, targets: Any) -> None:
        """Find out what the loss reads, where that is not known yet and this return can tell."""
        if self._settled or isinstance(result, torch.Tensor):
            return
        self._settled = True
        of_all = self._tried(result, targets)
        self.reads_all = of_all is not None and not _same(of_all, self._tried(self._output(result), targets))

    def of_outputs(self, outputs: torch.Tensor, targets: Any) -> torch.Tensor:
        """The loss as a function of the outputs. Raises InputError where it reads more than these."""
        if self.reads_all:
            raise InputError(
                "the loss reads more than the outputs of the model, so it has no curvature in them; pass "
                "loss_fn=lambda logits, targets: ..."
            )
        return self._loss_fn(outputs, targets)

    def _tried(self, given: Any, targets: Any) -> torch.Tensor | None:
        """The loss of it, detached; None where the loss is not made for such a thing."""
        try:
            with undisturbed(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of shapes that only a trial brings together
                loss = self._loss_fn(given, targets)
        except _NOT_FOR_IT:
            return None
        return loss.detach() if isinstance(loss, torch.Tensor) and loss.numel() == 1 else None


def _same(one: torch.Tensor, other: torch.Tensor | None) -> bool:
    return other is not None and torch.allclose(one.double().reshape(()), other.double().reshape(()), equal_nan=True)
