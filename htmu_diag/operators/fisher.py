"""Fisher matrices: the second moment of the scores, per sample, averaged over the data.

``true``: labels from the model's own distribution, in closed form; for softmax cross-entropy and for squared error it
is the Gauss-Newton matrix of the negative log-likelihood. ``mc``: labels drawn from it, ``draws`` for each sample.
``empirical``: the data's labels, that is the uncentred second moment of the per-sample gradients; it is not an estimate
of the true Fisher matrix (Kunstner, Balles & Hennig 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, final

import torch

from htmu_diag.arguments import checked, one_of, whole
from htmu_diag.errors import InputError
from htmu_diag.operators.batches import Batch
from htmu_diag.operators.loss_call import LossFn
from htmu_diag.operators.normaliser import label_weights
from htmu_diag.operators.output_curvature import OutputCurvature
from htmu_diag.operators.sample_function import refuse_batch_statistics

__all__ = ["FisherOperator", "Likelihood", "of_squares", "score_outer"]

Likelihood = Literal["auto", "categorical", "bernoulli", "gaussian"]
_OF_LOSS = {
    "cross_entropy": "categorical",
    "CrossEntropyLoss": "categorical",
    "binary_cross_entropy_with_logits": "bernoulli",
    "BCEWithLogitsLoss": "bernoulli",
    "mse_loss": "gaussian",
    "MSELoss": "gaussian",
}


@final
class FisherOperator(OutputCurvature):
    """The Fisher matrix of ``likelihood`` with the outputs as logits (dimension 1 holds classes) or as means.

    The mean is over labels where there are several for each sample (pixels, tokens), as in PyTorch's cross_entropy.

    kind: "true", "mc" or "empirical". draws: labels for each sample ("mc"). likelihood: "auto" reads it from loss_fn;
    "gaussian" has unit variance, so that -log p is half the squared error. Other arguments: see ``ModelOperator``.
    Raises InputError where the likelihood cannot be told.
    """

    @checked(
        kind=one_of("true", "mc", "empirical"),
        likelihood=one_of("auto", "categorical", "bernoulli", "gaussian"),
        draws=whole(1),
    )
    def __init__(
        self,
        model: torch.nn.Module,
        loss_fn: LossFn,
        data: Any,
        *,
        kind: Literal["true", "mc", "empirical"] = "true",
        likelihood: Likelihood = "auto",
        draws: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(model, loss_fn, data, **options)
        self.kind, self.draws = kind, draws
        self.likelihood = "" if kind == "empirical" else _resolved(likelihood, loss_fn)

    def _output_shape(self, outputs: torch.Tensor, batch: Batch) -> Any:
        if self.kind == "empirical":
            return score_outer(self.stage.model, self._loss_of.of_outputs, outputs, batch, self.reduction)
        weights, labels = self._label_weights(outputs, batch)
        scale = weights / labels if self.reduction == "mean" else weights
        if self.kind == "true":
            return _probabilities(self.likelihood, outputs), scale
        rng = torch.Generator(outputs.device).manual_seed(self.seed)
        scores = [_score(self.likelihood, outputs, rng) for _ in range(self.draws)]
        return [score * (scale / self.draws).sqrt() for score in scores], 1.0

    def combined(self, count_share: float, row_share: float) -> float:
        return of_squares(count_share, row_share) if self.kind == "empirical" else count_share

    def _label_weights(self, outputs: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, float]:
        """The weight of every label, to multiply outputs by, and their sum: ignored ones weigh nothing."""
        if self.likelihood != "categorical":
            _require_rows(outputs, batch)
            return torch.ones((), dtype=outputs.dtype, device=outputs.device), batch.samples
        weights = label_weights(self.loss_fn, outputs, batch.targets)
        if weights is None:
            return torch.ones((), dtype=outputs.dtype, device=outputs.device), outputs.numel() / outputs.shape[1]
        return weights.unsqueeze(1), float(weights.sum())

    def _curve(self, shape: Any, tangent: torch.Tensor) -> torch.Tensor:
        found, scale = shape
        if self.kind == "true":
            return _CURVES[self.likelihood](found, tangent).mul(scale)
        total = torch.zeros_like(tangent)
        for score in found:
            total += _along(score, tangent)
        return total.mul(scale)


def of_squares(count_share: float, row_share: float) -> float:
    """The weight of a part in a mean over rows of squared slopes, each of which is divided by what counts."""
    return count_share**2 / row_share


def score_outer(
    model: torch.nn.Module, loss_fn: LossFn, outputs: torch.Tensor, batch: Batch, reduction: str
) -> tuple[list[torch.Tensor], float]:
    """The per-sample gradients of the loss in the outputs, and the weight of their outer products.

    Raises MeasurementError for batch normalisation in training mode: samples mix, and no sample has a gradient;
    InputError where outputs have another number of rows than the batch.
    """
    refuse_batch_statistics(model)
    _require_rows(outputs, batch)
    point = outputs.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(loss_fn(point, batch.targets), point)
    if reduction == "mean":
        return [slope.detach() * batch.samples], 1.0 / batch.samples
    return [slope.detach()], 1.0


def _require_rows(outputs: torch.Tensor, batch: Batch) -> None:
    if outputs.shape[0] != batch.samples:
        raise InputError(
            f"the outputs have {outputs.shape[0]} rows and the batch {batch.samples}, so the gradient of one sample "
            "cannot be told; give targets (the first tensor of them) and what output= picks one row for each sample"
        )


def _along(score: torch.Tensor, tangent: torch.Tensor) -> torch.Tensor:
    """s (s . t) for each sample; dimension 0 is the sample."""
    inner = (score * tangent).flatten(1).sum(1) if score.ndim > 1 else score * tangent
    return score * inner.view(-1, *[1] * (score.ndim - 1))


def _resolved(likelihood: Likelihood, loss_fn: LossFn) -> str:
    if likelihood != "auto":
        return likelihood
    name = getattr(loss_fn, "__name__", type(loss_fn).__name__)
    if name not in _OF_LOSS:
        raise InputError(
            f"the likelihood of {name} is not known; pass likelihood='categorical', 'bernoulli' or 'gaussian'"
        )
    return _OF_LOSS[name]


def _probabilities(likelihood: str, outputs: torch.Tensor) -> torch.Tensor:
    kinds: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "categorical": lambda z: z.softmax(1),
        "bernoulli": torch.sigmoid,
        "gaussian": lambda z: z,
    }
    return kinds[likelihood](outputs)


def _score(likelihood: str, outputs: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """The gradient of -log p(y | f) in f at a label y drawn from the model."""
    p = _probabilities(likelihood, outputs)
    if likelihood == "gaussian":
        return torch.randn(p.shape, generator=rng, dtype=p.dtype, device=p.device)
    if likelihood == "bernoulli":
        return p - torch.bernoulli(p, generator=rng)
    rows = p.movedim(1, -1)
    drawn = torch.multinomial(rows.reshape(-1, rows.shape[-1]), 1, generator=rng).view(rows.shape[:-1])
    return (rows - torch.nn.functional.one_hot(drawn, rows.shape[-1]).to(p.dtype)).movedim(-1, 1)


_CURVES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "categorical": lambda p, t: p * (t - (p * t).sum(1, keepdim=True)),
    "bernoulli": lambda p, t: p * (1 - p) * t,
    "gaussian": lambda p, t: t,
}
