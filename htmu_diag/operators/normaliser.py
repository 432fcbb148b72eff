"""What the mean of a loss is over: rows, labels that count, or the sum of class weights.

A loss with ``reduction="mean"`` is (sum of terms) / n, and n is not always the number of rows: cross-entropy leaves out
ignored labels and divides by the sum of the class weights of the others; a masked loss divides by the mask. The loss of
several batches together is sum_b (n_b / n) L_b, so batches weigh by their n_b. For cross-entropy n_b follows from the
targets. For any other loss it is measured from the loss itself: with the rows of two batches in one,
L = s L_1 + (1 - s) L_2, s = n_1 / (n_1 + n_2), at whatever outputs; where two sets of outputs give two values of s, the
loss is no mean and no weights are right.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from htmu_diag.errors import InputError
from htmu_diag.operators.batches import Reduction

__all__ = ["Tally", "counts", "label_weights", "reduction_of"]

_AGREES = 1e-3  # of measured shares: float64 leaves 1e-12, a loss with float32 parameters 1e-5
_CROSS_ENTROPY = (F.cross_entropy, F.nll_loss)
_CROSS_ENTROPY_MODULES = (nn.CrossEntropyLoss, nn.NLLLoss)


@dataclass(frozen=True)
class Tally:
    """numbers: n_b of every batch. absolute: in labels, class weights or rows; else only their ratios are known."""

    numbers: tuple[float, ...]
    absolute: bool


def reduction_of(loss_fn: Any) -> Reduction:
    """ "sum" where the loss says so (a module's ``reduction``, a partial's keyword), else "mean"."""
    said = getattr(loss_fn, "reduction", None)
    if isinstance(loss_fn, functools.partial):
        said = loss_fn.keywords.get("reduction", said)
    return "sum" if said == "sum" else "mean"


def label_weights(loss_fn: Any, outputs: torch.Tensor, targets: Any) -> torch.Tensor | None:
    """The weight of every label in a cross-entropy, of the targets' shape: 0 where ignored, else its class's weight.

    None where the loss is no cross-entropy of class indices.
    """
    settings = _settings(loss_fn)
    if settings is None or not isinstance(targets, torch.Tensor) or targets.is_floating_point():
        return None
    ignored: torch.Tensor = targets == settings.get("ignore_index", -100)
    weight: torch.Tensor | None = settings.get("weight")
    if weight is None:
        return (~ignored).to(outputs.dtype)
    by_class = weight.to(outputs.device, outputs.dtype)[targets.masked_fill(ignored, 0)]
    return by_class.masked_fill(ignored, 0.0)


def counts(
    loss_fn: Callable[[Any, Any], torch.Tensor], outputs: Sequence[torch.Tensor], targets: Sequence[Any]
) -> Tally:
    """n_b of every batch, from its outputs (detached, one tensor a batch) and targets.

    Raises InputError where the loss is no mean over anything.
    """
    pairs = list(zip(outputs, targets, strict=True))
    known = [number for number in (_known(loss_fn, *pair) for pair in pairs) if number is not None]
    if len(known) == len(pairs):
        return Tally(tuple(known), absolute=True)
    shares = [_share(loss_fn, pairs[0], pair, index) for index, pair in enumerate(pairs)]
    rows = [float(output.shape[0]) for output in outputs]
    found = [rows[0] * share / (1 - share) for share in shares]
    if all(math.isclose(n, row, rel_tol=_AGREES) for n, row in zip(found, rows, strict=True)):
        return Tally(tuple(rows), absolute=_counts_rows(loss_fn, *pairs[0]))
    return Tally(tuple(found), absolute=False)


def _settings(loss_fn: Any) -> Mapping[str, Any] | None:
    """ignore_index and weight of a cross-entropy; None for other losses."""
    if isinstance(loss_fn, _CROSS_ENTROPY_MODULES):
        return {"ignore_index": loss_fn.ignore_index, "weight": loss_fn.weight}
    if isinstance(loss_fn, functools.partial) and loss_fn.func in _CROSS_ENTROPY and not loss_fn.args:
        return loss_fn.keywords
    return {} if loss_fn in _CROSS_ENTROPY else None


def _known(loss_fn: Any, outputs: torch.Tensor, targets: Any) -> float | None:
    weights = label_weights(loss_fn, outputs, targets)
    if weights is not None:
        return float(weights.sum())
    return outputs.numel() / outputs.shape[1] if _settings(loss_fn) is not None else None


Pair = tuple[torch.Tensor, Any]


def _share(loss_fn: Any, first: Pair, other: Pair, index: int) -> float:
    """n_other / (n_first + n_other), measured at two sets of outputs. Raises InputError."""
    both = f"batches 0 and {index}" if index else "batch 0 and a second one like it"
    shares = [_measured(loss_fn, first, other, seed) for seed in (0, 1)]
    if None in shares:
        raise InputError(
            f"{both} have other shapes, so what the mean of the loss is over cannot be told; pass one "
            "batch, a torch.nn.CrossEntropyLoss, or a loss that sums, with reduction='sum'"
        )
    one, two = cast("list[float]", shares)
    if not (math.isclose(one, two, rel_tol=_AGREES, abs_tol=_AGREES) and 0 < one < 1):
        raise InputError(
            f"the loss of {both} together is no weighted mean of their losses (weights {one:.4g} and {two:.4g} at two "
            "sets of outputs), so no weights are right for several batches; pass one batch, or reduction='sum' "
            "(watch: loss_reduction='sum') where the losses of batches add up"
        )
    return one


def _measured(loss_fn: Any, first: Pair, other: Pair, seed: int) -> float | None:
    """At random outputs around the given ones; None where the two cannot be one batch."""
    rng = torch.Generator().manual_seed(seed)
    noises = [
        torch.randn(output.shape, generator=rng, dtype=torch.float64, device="cpu") for output, _ in (first, other)
    ]
    for dtype in (torch.float64, first[0].dtype):  # a loss with parameters of its own may insist on theirs
        a, b = (
            output.to(dtype) + n.to(output.device, dtype) for (output, _), n in zip((first, other), noises, strict=True)
        )
        try:
            pairs = (a, first[1]), (b, other[1]), (torch.cat([a, b]), _joined(first[1], other[1]))
            with torch.no_grad():
                alone, beside, together = (float(loss_fn(outputs, targets)) for outputs, targets in pairs)
        except (RuntimeError, TypeError):
            continue
        if math.isnan(alone) or math.isnan(beside):
            raise InputError(
                "the loss of one of the batches is NaN at finite outputs, as where every label is ignored; leave that "
                "batch out, or pass a torch.nn.CrossEntropyLoss, whose labels are counted"
            )
        return (together - alone) / (beside - alone) if beside != alone else math.nan
    return None


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, torch.Tensor):
        return torch.cat([first, second])
    if isinstance(first, Mapping):
        return {key: _joined(first[key], second[key]) for key in first}
    if isinstance(first, tuple | list):
        return type(first)([_joined(a, b) for a, b in zip(first, second, strict=True)])
    return first


def _counts_rows(loss_fn: Any, outputs: torch.Tensor, targets: Any) -> bool:
    """Whether parts of one batch weigh by their rows."""
    rows = outputs.shape[0]
    if rows < 2 or not (targets is None or isinstance(targets, torch.Tensor)):
        return False
    cut = rows // 2 if rows != 3 else 1
    parts = [
        (outputs[piece], targets if targets is None else targets[piece]) for piece in (slice(cut), slice(cut, None))
    ]
    share = _measured(loss_fn, parts[0], parts[1], seed=2)
    return share is not None and math.isclose(share, (rows - cut) / rows, rel_tol=_AGREES)
