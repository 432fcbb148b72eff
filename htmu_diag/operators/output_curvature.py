"""Operators J^T B J: the model's Jacobian J around a small symmetric B on the outputs.

The Gauss-Newton matrix takes B = the Hessian of the loss in the outputs; the Fisher matrix takes the covariance of the
scores; the second moment of the per-sample gradients takes their outer products. One graph serves all products: the
outputs f(theta), and u -> J^T u kept as a graph, whose derivative along v is J v (the double-backward trick).
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any

import torch

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.batches import Batch
from htmu_diag.operators.model_operator import ModelOperator, Tensors

__all__ = ["OutputCurvature", "OutputGraph"]


@dataclass(frozen=True)
class OutputGraph:
    """outputs: f(theta), with a graph. pullback: J^T u at ``dummy`` u, differentiable in u. shape: what B needs."""

    outputs: torch.Tensor
    dummy: torch.Tensor
    pullback: Tensors
    shape: Any


class OutputCurvature(ModelOperator):
    """J^T B J over batches; children say what B is."""

    @abc.abstractmethod
    def _output_shape(self, outputs: torch.Tensor, batch: Batch) -> Any:
        """What ``_curve`` needs, from the detached outputs of one batch."""

    @abc.abstractmethod
    def _curve(self, shape: Any, tangent: torch.Tensor) -> torch.Tensor:
        """B times ``tangent``, both of the outputs' shape."""

    def _build(self, batch: Batch) -> OutputGraph:
        outputs = self._outputs(batch)
        if not outputs.requires_grad:
            raise MeasurementError(f"{self.names[0]}: the model's output does not depend on the chosen parameters")
        if not bool(torch.isfinite(outputs).all()):
            self._loss(batch)
        dummy = torch.zeros_like(outputs, requires_grad=True)
        parameters = tuple(self.stage.parameters.values())
        pullback = torch.autograd.grad(
            outputs, parameters, dummy, create_graph=True, allow_unused=True, materialize_grads=True
        )
        try:
            shape = self._output_shape(outputs.detach(), batch)
        except (AttributeError, KeyError) as error:
            raise InputError(
                f"the loss reads more than the outputs of the model ({error}), so it has no curvature in them; pass "
                "loss_fn=lambda logits, targets: ..."
            ) from error
        return OutputGraph(outputs, dummy, pullback, shape)

    def _roots(self, graph: Any) -> Tensors:
        return (graph.outputs, *graph.pullback)

    def _product(self, graph: Any, pieces: Tensors) -> Tensors:
        curved = self._curve(graph.shape, self._pushed(graph, pieces))
        return torch.autograd.grad(
            graph.outputs, self.parameters, curved, retain_graph=True, allow_unused=True, materialize_grads=True
        )

    def _pushed(self, graph: OutputGraph, pieces: Tensors) -> torch.Tensor:
        built = dict(zip(self.stage.parameters, graph.pullback, strict=True))
        pairs = [(built[name], v) for name, v in zip(self.names, pieces, strict=True)]
        live = [(g, v) for g, v in pairs if g.requires_grad]
        if not live:
            return torch.zeros_like(graph.outputs)
        outputs, vectors = zip(*live, strict=True)
        return torch.autograd.grad(
            outputs, graph.dummy, vectors, retain_graph=True, allow_unused=True, materialize_grads=True
        )[0]
