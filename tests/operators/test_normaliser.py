"""Batches weigh by what the mean of the loss is over: several batches give the operator of all of them in one."""

import functools
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from htmu_diag.errors import InputError
from htmu_diag.operators.covariance import GradientSecondMoment
from htmu_diag.operators.fisher import FisherOperator
from htmu_diag.operators.ggn import GGNOperator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.operators.normaliser import counts, reduction_of
from htmu_diag.solvers.dense import dense_matrix

CLASSES, TOKENS = 3, 5
WEIGHTS = torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64)


class Tagger(nn.Module):
    """(n, tokens, 4) -> (n, classes, tokens)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, CLASSES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x).movedim(-1, 1)


def masked(outputs: torch.Tensor, targets: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    labels, mask = targets
    each = F.cross_entropy(outputs, labels, reduction="none")
    return (each * mask).sum() / mask.sum()


def weighted(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(outputs, labels, weight=WEIGHTS)


def of_sequences(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean of the sequences' own means."""
    each = F.cross_entropy(outputs, labels, reduction="none")
    return (each.sum(1) / (labels >= 0).sum(1)).mean()


def two_tasks(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """One is a mean over the labels that count, the other over all of them."""
    return F.cross_entropy(outputs, labels) + 0.1 * outputs.logsumexp(1).square().mean()


def contrastive(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    rows = outputs.flatten(1)
    return F.cross_entropy(rows @ rows.T, torch.arange(len(rows)))


def tagger() -> Tagger:
    torch.manual_seed(0)
    return Tagger().double()


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(6, TOKENS, 4, generator=rng, dtype=torch.float64)
    labels = torch.randint(0, CLASSES, (6, TOKENS), generator=rng)
    for row, length in enumerate((5, 5, 4, 2, 1, 1)):
        labels[row, length:] = -100
    return x, labels


def as_mask(labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return labels.clamp(min=0), (labels >= 0).double()


def as_probabilities(labels: torch.Tensor) -> torch.Tensor:
    """(n, tokens) -> (n, classes, tokens): each is a row of its own, and none is ignored."""
    return (0.8 * F.one_hot(labels.clamp(min=0), CLASSES).double() + 0.2 / CLASSES).movedim(-1, 1)


LOSSES: dict[str, tuple[Any, Any]] = {
    "ignored, functional": (F.cross_entropy, lambda y: y),
    "ignored, module": (nn.CrossEntropyLoss(), lambda y: y),
    "ignored and weighted": (nn.CrossEntropyLoss(weight=WEIGHTS), lambda y: y),
    "weighted, partial": (functools.partial(F.cross_entropy, weight=WEIGHTS, label_smoothing=0.1), lambda y: y),
    "weighted, lambda": (weighted, lambda y: y),
    "mask": (masked, as_mask),
    "mean of means": (of_sequences, lambda y: y),
    "smoothed, lambda": (lambda f, y: F.cross_entropy(f, y, label_smoothing=0.2), lambda y: y),
    "sum, module": (nn.CrossEntropyLoss(reduction="sum"), lambda y: y),
    "probabilities": (nn.CrossEntropyLoss(), as_probabilities),
    "probabilities, weighted and smoothed": (
        nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1),
        as_probabilities,
    ),
}


@pytest.mark.parametrize("kind", [HessianOperator, GGNOperator, GradientSecondMoment])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("cuts", [(3,), (1, 2)])
def test_batches_equal_one_batch(kind: Any, name: str, cuts: tuple[int, ...]) -> None:
    loss, shaped = LOSSES[name]
    x, labels = padded()
    pieces = torch.tensor_split(torch.arange(6), cuts)
    whole = dense_matrix(kind(tagger(), loss, (x, shaped(labels))))
    parts = dense_matrix(kind(tagger(), loss, [(x[rows], shaped(labels[rows])) for rows in pieces]))
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["ignored, module", "ignored and weighted", "weighted, partial", "sum, module"])
@pytest.mark.parametrize("kind", ["true", "empirical"])
def test_fisher_matrices_of_batches_equal_those_of_one_batch(name: str, kind: Any) -> None:
    loss, shaped = LOSSES[name]
    x, labels = padded()
    fisher = functools.partial(FisherOperator, tagger(), loss, kind=kind, likelihood="categorical")
    whole = dense_matrix(fisher((x, shaped(labels))))
    parts = dense_matrix(fisher([(x[:3], shaped(labels[:3])), (x[3:], shaped(labels[3:]))]))
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(weight=WEIGHTS)])
def test_the_true_fisher_is_the_ggn_with_ignored_labels_and_class_weights(loss: nn.Module) -> None:
    fisher, ggn = (dense_matrix(kind(tagger(), loss, padded())) for kind in (FisherOperator, GGNOperator))
    torch.testing.assert_close(fisher, ggn)


def test_drawn_labels_approach_the_true_fisher_where_some_are_ignored() -> None:
    true = dense_matrix(FisherOperator(tagger(), F.cross_entropy, padded()))
    drawn = dense_matrix(FisherOperator(tagger(), F.cross_entropy, padded(), kind="mc", draws=2000))
    assert float((drawn - true).norm() / true.norm()) < 0.08


def test_weighing_by_rows_would_be_wrong_here() -> None:
    x, labels = padded()
    halves = [
        dense_matrix(HessianOperator(tagger(), F.cross_entropy, (x[r], labels[r]))) for r in (slice(3), slice(3, 6))
    ]
    whole = dense_matrix(HessianOperator(tagger(), F.cross_entropy, (x, labels)))
    assert float((sum(halves) / 2 - whole).norm() / whole.norm()) > 0.1


def test_a_batch_without_a_label_that_counts_weighs_nothing() -> None:
    x, labels = padded()
    nothing = torch.full_like(labels[:2], -100)
    whole = dense_matrix(HessianOperator(tagger(), F.cross_entropy, (x, labels)))
    with_it = dense_matrix(HessianOperator(tagger(), F.cross_entropy, [(x[:2], nothing), (x, labels)]))
    torch.testing.assert_close(with_it, whole)
    with pytest.raises(InputError, match="no label counts"):
        HessianOperator(tagger(), F.cross_entropy, [(x[:2], nothing), (x[:2], nothing)])


@pytest.mark.parametrize("loss", [contrastive, two_tasks])
def test_a_loss_that_is_no_mean_is_refused_for_several_batches_alone(loss: Any) -> None:
    x, labels = padded()
    assert HessianOperator(tagger(), loss, (x, labels)).shape[0] > 0
    with pytest.raises(InputError, match="no weighted mean of their losses"):
        HessianOperator(tagger(), loss, [(x[:3], labels[:3]), (x[3:], labels[3:])])


def test_sequences_of_two_lengths_are_weighed_by_labels_or_refused() -> None:
    x, labels = padded()
    parts = [(x[:3], labels[:3]), (x[3:, :2], labels[3:, :2])]
    whole = dense_matrix(HessianOperator(tagger(), F.cross_entropy, (x, labels)))
    torch.testing.assert_close(dense_matrix(HessianOperator(tagger(), F.cross_entropy, parts)), whole)
    with pytest.raises(InputError, match="other shapes"):
        HessianOperator(tagger(), weighted, parts)


def test_counts_of_a_mask_are_known_up_to_a_unit_and_rows_are_absolute() -> None:
    x, labels = padded()
    outputs = [tagger()(x[:3]).detach(), tagger()(x[3:]).detach()]
    tally = counts(masked, outputs, [as_mask(labels[:3]), as_mask(labels[3:])])
    assert not tally.absolute
    assert tally.numbers[0] / tally.numbers[1] == pytest.approx(14 / 4)
    targets = [torch.zeros_like(output) for output in outputs]
    rows = counts(lambda f, y: ((f - y) ** 2).mean(), [outputs[0], outputs[1][:2]], [targets[0], targets[1][:2]])
    assert (rows.numbers, rows.absolute) == ((3.0, 2.0), True)


def test_a_loss_says_its_own_reduction() -> None:
    assert reduction_of(nn.MSELoss(reduction="sum")) == "sum"
    assert reduction_of(functools.partial(F.mse_loss, reduction="sum")) == "sum"
    assert reduction_of(F.mse_loss) == reduction_of(nn.KLDivLoss(reduction="batchmean")) == "mean"


class Whole(nn.Module):
    """Returns its own loss, as models of language do."""

    def __init__(self) -> None:
        super().__init__()
        self.tagger = Tagger()

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> Any:
        logits = self.tagger(x)
        return type("Output", (), {"logits": logits, "loss": F.cross_entropy(logits, labels)})()


def test_a_loss_inside_the_model_is_read_from_its_output() -> None:
    torch.manual_seed(0)
    model = Whole().double()
    x, labels = padded()
    inner = HessianOperator(model, lambda out, y: out.loss, {"x": x, "labels": labels})
    outer = HessianOperator(model, F.cross_entropy, {"x": x, "labels": labels})
    torch.testing.assert_close(dense_matrix(inner), dense_matrix(outer))
    with pytest.raises(InputError, match="computed inside the model"):
        HessianOperator(model, lambda out, y: out.loss, [{"x": x, "labels": labels}] * 2)


@pytest.mark.parametrize("kind", [GGNOperator, GradientSecondMoment])
def test_a_loss_inside_the_model_has_no_curvature_in_outputs_and_says_so(kind: Any) -> None:
    model, (x, labels) = Whole().double(), padded()
    given = {"x": x, "labels": labels}
    for output, match in (({}, "reads more than"), ({"output": lambda out: out.loss}, "gives a single number")):
        with pytest.raises(InputError, match=match):
            dense_matrix(kind(model, lambda out, y: out.loss, given, **output))
    with pytest.raises(InputError, match="gives a Output"):
        dense_matrix(kind(model, lambda out, y: out.loss, given, output=lambda out: out))


def test_losses_that_add_up_are_pointed_to_the_sum() -> None:
    x, labels = padded()
    parts = [(x[:3], labels[:3]), (x[3:], labels[3:])]

    def over_a_fixed_number(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs, targets, reduction="sum") / 18

    with pytest.raises(InputError, match="reduction='sum'"):
        HessianOperator(tagger(), over_a_fixed_number, parts)
    whole = dense_matrix(HessianOperator(tagger(), over_a_fixed_number, (x, labels)))
    summed = dense_matrix(HessianOperator(tagger(), over_a_fixed_number, parts, reduction="sum"))
    torch.testing.assert_close(summed, whole)
