"""A loss is given what it reads: the outputs, or all that the model returns, which an index alone does not tell."""

import functools
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from htmu_diag.errors import InputError
from htmu_diag.operators.covariance import GradientSecondMoment
from htmu_diag.operators.fisher import FisherOperator
from htmu_diag.operators.ggn import GGNOperator
from htmu_diag.operators.hessian import HessianOperator
from htmu_diag.solvers.dense import dense_matrix

CLASSES = 3


class Returned(NamedTuple):
    logits: torch.Tensor
    balance: torch.Tensor


class Experts(nn.Module):
    """Two experts and a router, whose balance is the second part of what it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.experts = nn.Linear(4, 2), nn.ModuleList([nn.Linear(4, CLASSES) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> Returned:
        shares = self.router(x).softmax(-1)
        mixed = sum(shares[:, k : k + 1] * torch.tanh(expert(x)) for k, expert in enumerate(self.experts))
        return Returned(mixed, 2 * shares.mean(0).square())


def experts() -> Experts:
    torch.manual_seed(0)
    return Experts().double()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(7, 4, generator=rng, dtype=torch.float64), torch.randint(0, CLASSES, (7,), generator=rng)


def by_index(out: Any, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(out[0], labels) + out[1].sum()


def by_index_of_squares(out: Any, labels: torch.Tensor) -> torch.Tensor:
    """A row of a tensor would be stretched over the targets, with no more than a warning."""
    return F.mse_loss(out[0], F.one_hot(labels, CLASSES).double()) + out[1].sum()


def by_name(out: Any, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(out.logits, labels) + out.balance.sum()


def of_either(out: Any, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(out[0] if isinstance(out, tuple) else out, labels)


def hessian_by_torch(loss: Any) -> torch.Tensor:
    model, (x, labels) = experts(), batch()
    names, values = zip(*model.named_parameters(), strict=True)
    sizes = [value.numel() for value in values]

    def of(flat: torch.Tensor) -> torch.Tensor:
        parts = {n: p.view(v.shape) for n, v, p in zip(names, values, flat.split(sizes), strict=True)}
        return loss(torch.func.functional_call(model, parts, (x,)), labels)

    return torch.func.hessian(of)(torch.cat([value.detach().flatten() for value in values]))


@pytest.mark.parametrize("loss", [by_index, by_index_of_squares, by_name, of_either])
def test_the_hessian_is_of_the_loss_of_what_the_model_returns(loss: Any, recwarn: pytest.WarningsRecorder) -> None:
    found = dense_matrix(HessianOperator(experts(), loss, batch()))
    torch.testing.assert_close(found, hessian_by_torch(loss))
    assert not [warning for warning in recwarn if "target size" in str(warning.message)]


@pytest.mark.parametrize("loss", [by_index, by_index_of_squares, by_name])
@pytest.mark.parametrize(
    "kind", [GGNOperator, GradientSecondMoment, functools.partial(FisherOperator, kind="empirical")]
)
def test_what_is_not_a_function_of_the_outputs_has_no_curvature_in_them(kind: Any, loss: Any) -> None:
    with pytest.raises(InputError, match="reads more than the outputs"):
        dense_matrix(kind(experts(), loss, batch()))
    with pytest.raises(InputError, match="from more than its outputs"):
        kind(experts(), loss, [batch(), batch()])


@pytest.mark.parametrize("kind", [GGNOperator, GradientSecondMoment])
def test_a_loss_of_either_is_one_of_the_outputs(kind: Any) -> None:
    either, outputs = (dense_matrix(kind(experts(), loss, batch())) for loss in (of_either, F.cross_entropy))
    torch.testing.assert_close(either, outputs)


def test_trying_a_loss_moves_no_generator_and_draws_as_later_calls_do() -> None:
    def random(out: Any, labels: torch.Tensor) -> torch.Tensor:
        return (of_either(out, labels) * torch.rand(())).double()

    kept, rebuilt = (dense_matrix(HessianOperator(experts(), random, batch(), reuse=how)) for how in ("auto", "never"))
    torch.testing.assert_close(kept, rebuilt)
    dense_matrix(GGNOperator(experts(), random, batch(), seed=3))  # both of its trials draw alike: it is of the outputs


@pytest.mark.parametrize(
    "kind",
    [
        GradientSecondMoment,
        functools.partial(FisherOperator, kind="empirical"),
        functools.partial(FisherOperator, likelihood="gaussian"),
        functools.partial(FisherOperator, likelihood="bernoulli", kind="mc"),
    ],
)
def test_rows_that_are_no_samples_are_refused_where_a_gradient_of_each_is_needed(kind: Any) -> None:
    """Packed sequences are one row of targets, and tokens are rows of flattened outputs; or time comes first."""
    torch.manual_seed(0)
    model, (x, labels) = nn.Linear(4, CLASSES).double(), batch()

    def over_tokens(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs, targets.flatten())

    packed = (x[None], labels[None])
    with pytest.raises(InputError, match="7 rows and the batch 1"):
        dense_matrix(kind(model, over_tokens, packed, output=lambda out: out.flatten(0, 1)))
    flat = dense_matrix(kind(model, F.cross_entropy, (x[None], labels), output=lambda out: out.flatten(0, 1)))
    torch.testing.assert_close(flat, dense_matrix(kind(model, F.cross_entropy, (x, labels))))


def test_a_batch_in_which_nothing_counts_is_told_where_labels_are_not_known() -> None:
    x, labels = batch()
    nothing = torch.full_like(labels, -100)
    with pytest.raises(InputError, match="NaN at finite outputs.*leave that batch out"):
        HessianOperator(experts(), lambda out, y: F.cross_entropy(out, y), [(x, labels), (x, nothing)])
