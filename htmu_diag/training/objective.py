"""The loss of a batch and the scores on held-out data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from htmu_diag.model.states import evaluating
from htmu_diag.training.datasets import Batch

__all__ = ["Scores", "accuracy", "cross_entropy", "evaluate"]


@dataclass(frozen=True)
class Scores:
    """loss: mean cross-entropy in nats for one target. accuracy: share of targets whose logit is the largest."""

    loss: float
    accuracy: float


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over all targets; logits (..., classes), targets (...): images and text alike."""
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten())


def accuracy(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Share of targets that the largest logit names, a scalar tensor on the same device."""
    return (logits.argmax(-1) == targets).float().mean()


def evaluate(model: nn.Module, batches: Iterable[Batch]) -> Scores:
    """Scores over all batches, each weighted by its number of targets; the modules' modes are put back."""
    loss = right = count = 0.0
    with torch.no_grad(), evaluating(model):
        for inputs, targets in batches:
            logits = model(inputs)
            loss += float(cross_entropy(logits, targets)) * targets.numel()
            right += float(accuracy(logits, targets)) * targets.numel()
            count += targets.numel()
    return Scores(loss / count, right / count)
