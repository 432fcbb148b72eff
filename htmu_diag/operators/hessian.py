"""The Hessian of a loss, by double backward through one kept graph.

g(theta) = grad L is built with a graph; H v = grad (g . v). This is right wherever PyTorch's backward formulas are
themselves differentiable, LayerNorm, SiLU and recurrent nets included, where forward-over-reverse is wrong or missing.
"""

from __future__ import annotations

from typing import Any, final

import torch

from htmu_diag.errors import MeasurementError
from htmu_diag.operators.batches import Batch
from htmu_diag.operators.model_operator import ModelOperator, Tensors

__all__ = ["HessianOperator"]


@final
class HessianOperator(ModelOperator):
    """d^2 L / d theta^2 over the data, plus ``weight_decay`` times the identity. Arguments: see ``ModelOperator``."""

    def gradient_at(self, direction: torch.Tensor, amount: float) -> torch.Tensor:
        """The gradient at theta + amount * direction, (N,). Only on a copy of its own: the parameters move."""
        self._move(direction, amount)
        found = self.gradient()
        self._move(direction, -amount)
        return found

    def _move(self, direction: torch.Tensor, amount: float) -> None:
        for parameter, piece in zip(self.parameters, self._pieces(direction), strict=True):
            parameter.data.add_(piece, alpha=amount)

    def _build(self, batch: Batch) -> Tensors:
        parameters = tuple(self.stage.parameters.values())
        loss = self._loss(batch)
        if not loss.requires_grad:
            raise MeasurementError(
                f"{self.names[0]}: the loss does not depend on the chosen parameters; check include= and detach() calls"
            )
        return torch.autograd.grad(loss, parameters, create_graph=True, allow_unused=True, materialize_grads=True)

    def _roots(self, graph: Any) -> Tensors:
        gradients: Tensors = graph
        return gradients

    def _product(self, graph: Any, pieces: Tensors) -> Tensors:
        built = dict(zip(self.stage.parameters, graph, strict=True))
        gradients = [built[name] for name in self.names]
        curved = [(g, v) for g, v in zip(gradients, pieces, strict=True) if g.requires_grad]
        if not curved:
            return tuple(torch.zeros_like(v) for v in pieces)
        outputs, vectors = zip(*curved, strict=True)
        return torch.autograd.grad(
            outputs, self.parameters, vectors, retain_graph=True, allow_unused=True, materialize_grads=True
        )
