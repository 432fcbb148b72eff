"""What all operators of a model share: batches, graphs kept or rebuilt, flat vectors, weights, blocks.

A product is sum_b weight_b A_b v over the batches. A_b v needs a graph of the batch; keeping it between products saves
the forward and the first backward pass (1.6 instead of 2.7 gradients a product on an MLP). One graph must exist during
any product, so keeping the first costs no peak memory; with ``reuse="auto"`` more are kept while they fit.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from typing_extensions import Self

from htmu_diag.arguments import FLAG, GLOBS, checked, one_of, optional, real, whole
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.arguments import BYTES, LOSS, MODULE, OUTPUT, REAL
from htmu_diag.model.names import selected
from htmu_diag.operators.base import as_columns
from htmu_diag.operators.batches import Batch, Reduction, cached, rows, tensors_of
from htmu_diag.operators.differentiable_model import DifferentiableModel
from htmu_diag.operators.failures import explained, first_non_finite
from htmu_diag.operators.graph_memory import KeptGraphs, graph_bytes
from htmu_diag.operators.loss_call import LossCall, LossFn
from htmu_diag.operators.memory import available_bytes
from htmu_diag.operators.normaliser import Tally, counts, reduction_of
from htmu_diag.operators.sample_function import Output, checked_outputs, pick_output
from htmu_diag.operators.vectors import flat, pieces_of

__all__ = ["LossFn", "ModelOperator", "Reuse"]

Reuse = Literal["auto", "always", "never"]
Tensors = tuple[torch.Tensor, ...]


class ModelOperator(abc.ABC):
    """A symmetric operator on the flat vector of the chosen parameters, by automatic differentiation.

    model: left exactly as found. loss_fn: ``loss_fn(output, targets) -> scalar``; where it reads more than the outputs
    (``lambda out, y: out.loss``, ``... + out[1]``), it is given all that the model returns: see ``loss_call``.
    data: a batch ``(inputs, targets)`` or an iterable of batches, cached.
    reduction: of the loss, "mean" or "sum"; by default what the loss says of itself, else "mean". A mean may be over
    rows, labels that count or class weights: see ``normaliser``. InputError for several batches where it is over none.
    include: globs on clean parameter names ("blocks.0", "*.weight"); empty means all that require a gradient.
    dtype: of the products. weight_decay: added multiple of the identity.
    output: picks the tensor that the loss sees from what the model returns (default: itself, its ``logits``, ...).
    reuse, memory_limit: how many graphs are kept; the limit, in bytes, defaults to half of the free memory.
    seed: of the dropout masks, one per batch for the life of the operator.
    """

    averages: bool = True  # the operator of all data is the mean over samples of those of its parts

    @checked(
        model=MODULE,
        loss_fn=LOSS,
        include=GLOBS,
        dtype=optional(REAL),
        reduction=optional(one_of("mean", "sum")),
        weight_decay=real(0),
        output=OUTPUT,
        reuse=one_of("auto", "always", "never"),
        memory_limit=optional(BYTES),
        seed=whole(0, 2**62),
        copied=FLAG,
    )
    def __init__(
        self,
        model: torch.nn.Module,
        loss_fn: LossFn,
        data: Any,
        *,
        include: Sequence[str] = (),
        dtype: torch.dtype | None = None,
        reduction: Reduction | None = None,
        weight_decay: float = 0.0,
        output: Output = pick_output,
        reuse: Reuse = "auto",
        memory_limit: int | None = None,
        seed: int = 0,
        copied: bool = False,
    ) -> None:
        self.stage = DifferentiableModel(model, include=include, dtype=dtype, copied=copied)
        self.loss_fn, self.output, self.seed, self.reuse = loss_fn, output, seed, reuse
        self._loss_of = LossCall(loss_fn, output)
        self.weight_decay, self.reduction = weight_decay, reduction or reduction_of(loss_fn)
        self.dtype, self.device = self.stage.dtype, self.stage.device
        self.batches = cached(data, device=self.stage.place, dtype=self.dtype, reduction=self.reduction)
        self.names = tuple(self.stage.parameters)
        if self.reduction == "mean" and len(self.batches) > 1:
            self.batches = self._weighed()
        self.samples = sum(batch.samples for batch in self.batches)
        self._kept = KeptGraphs(available_bytes(self.device) // 2 if memory_limit is None else memory_limit)

    @property
    def parameters(self) -> Tensors:
        """The differentiated tensors, in the order of the flat vector."""
        return tuple(self.stage.parameters[name] for name in self.names)

    @property
    def shape(self) -> tuple[int, int]:
        size = sum(parameter.numel() for parameter in self.parameters)
        return size, size

    @property
    def graph_bytes(self) -> int:
        """Memory held by kept graphs: the tensors that they saved."""
        return self._kept.bytes

    def block(self, *patterns: str) -> Self:
        """The diagonal block of the parameters that match, sharing batches and graphs. InputError where none does."""
        names = tuple(name for name in self.names if selected(name, patterns))
        if not names:
            raise InputError(f"no parameter matches {list(patterns)}; there are {', '.join(self.names[:8])}, ...")
        part = copy.copy(self)
        part.names = names
        return part

    def small_copy(self, samples: int) -> Self:
        """The same operator in float64 on a copy of the model and the first few samples, without weight decay.

        Raises MeasurementError where the model cannot be copied.
        """
        small = copy.copy(self)
        small.stage = DifferentiableModel(self.stage.model, include=self.names, dtype=torch.float64, copied=True)
        small.dtype, small.weight_decay, small.reuse = torch.float64, 0.0, "always"
        first = rows(self.batches[0], 0, samples)
        small.batches = cached(first, device=small.stage.place, dtype=small.dtype, reduction=self.reduction)
        small.samples, small._kept = small.batches[0].samples, KeptGraphs(self._kept.limit)
        return small

    def matvec(self, vector: torch.Tensor) -> torch.Tensor:
        """A v, (N,). Raises MeasurementError where the model has no second derivative, by the module's name."""
        self.stage.refuse_changed()
        pieces = self._pieces(vector)
        total = self._on_batch(0, self.batches[0], pieces)
        if len(self.batches) > 1:
            total.mul_(self._weight(self.batches[0]))
        for index, batch in enumerate(self.batches[1:], start=1):
            total.add_(self._on_batch(index, batch, pieces), alpha=self._weight(batch))
        return total.add_(vector, alpha=self.weight_decay) if self.weight_decay else total

    def matmat(self, columns: torch.Tensor) -> torch.Tensor:
        """One product after the other: vectors at once cost as much each (measured on a CPU)."""
        return as_columns(self, columns)

    def gradient(self) -> torch.Tensor:
        """The gradient of the loss over all batches, (N,)."""
        total = torch.zeros(self.shape[0], dtype=self.dtype, device=self.device)
        for index, batch in enumerate(self.batches):
            with self.stage.working(self.seed + index):
                found = torch.autograd.grad(
                    self._loss(batch), self.parameters, allow_unused=True, materialize_grads=True
                )
            total.add_(flat((piece.to_dense() for piece in found), self.device), alpha=batch.weight)  # of sparse tables
        return total

    def tally(self) -> Tally:
        """What the mean of the loss is over in each batch. Raises InputError where that cannot be told."""
        with torch.no_grad():
            with self.stage.working(self.seed):
                self._loss_of(self.batches[0].call(self.stage.model), self.batches[0].targets)
            if self._loss_of.reads_all:
                raise InputError(
                    "the loss is computed inside the model, or from more than its outputs, so what its mean is over "
                    "cannot be told; pass one batch, or loss_fn=lambda logits, targets: ..."
                )
            outputs = []
            for index, batch in enumerate(self.batches):
                with self.stage.working(self.seed + index):
                    outputs.append(self._outputs(batch).detach())
        return counts(self.loss_fn, outputs, [batch.targets for batch in self.batches])

    def combined(self, count_share: float, row_share: float) -> float:
        """The weight of a part's operator in that of all data, from its share of what counts and of the rows."""
        return count_share

    def _weighed(self) -> tuple[Batch, ...]:
        """The batches in which something counts, each with its share of the mean."""
        numbers = self.tally().numbers
        total = sum(numbers)
        if not total:
            raise InputError("no label counts: all of them are ignored, or of weight 0; pass a batch with targets")
        return tuple(replace(batch, weight=n / total) for batch, n in zip(self.batches, numbers, strict=True) if n)

    def _weight(self, batch: Batch) -> float:
        if self.reduction == "sum" or len(self.batches) == 1:
            return 1.0
        return self.combined(batch.weight, batch.samples / self.samples)

    @abc.abstractmethod
    def _build(self, batch: Batch) -> Any:
        """The graph of one batch, over all parameters of the stage."""

    @abc.abstractmethod
    def _product(self, graph: Any, pieces: Tensors) -> Tensors:
        """A_b v for the pieces of v that belong to ``self.names``."""

    def _on_batch(self, index: int, batch: Batch, pieces: Tensors) -> torch.Tensor:
        with explained(self.stage, batch):
            graph = self._kept.graphs.get(index)
            if graph is None:
                graph = self._graph(index, batch)
            with self.stage.working():
                return flat(self._product(graph, pieces), self.device)

    def _graph(self, index: int, batch: Batch) -> Any:
        with self.stage.working(self.seed + index):
            graph = self._build(batch)
        if self.reuse == "always" or (self.reuse == "auto" and not self._kept.full):
            size = graph_bytes(self._roots(graph), [*self.stage.parameters.values(), *tensors_of(batch.inputs)])
            self._kept.offer(index, graph, size, always=self.reuse == "always" or len(self.batches) == 1)
        return graph

    @abc.abstractmethod
    def _roots(self, graph: Any) -> Tensors:
        """The tensors from which the whole graph is reached."""

    def _outputs(self, batch: Batch) -> torch.Tensor:
        result = batch.call(self.stage.model)
        self._loss_of.settle(result, batch.targets)
        return checked_outputs(self.output(result))

    def _loss(self, batch: Batch) -> torch.Tensor:
        loss = self._loss_of(batch.call(self.stage.model), batch.targets)
        if loss.numel() != 1:
            raise InputError(f"loss_fn returned shape {tuple(loss.shape)}; return one number, a mean or a sum")
        if not torch.isfinite(loss):
            raise MeasurementError(
                f"{first_non_finite(self.stage, batch)}: the loss is {float(loss.detach())}, so it has no curvature; "
                "skip this step or lower the learning rate"
            )
        return loss.reshape(())

    def _pieces(self, vector: torch.Tensor) -> Tensors:
        return pieces_of(vector, self.parameters, self.dtype)
