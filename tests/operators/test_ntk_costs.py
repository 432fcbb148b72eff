"""What a plan says of its own cost, against counts by hand, and one block against the sum that defines it."""

import pytest
import torch
from torch import nn

from htmu_diag.operators.ntk.contract import _full_block
from htmu_diag.operators.ntk.empirical import ntk_plan
from htmu_diag.operators.ntk.plan import PRODUCT
from htmu_diag.operators.ntk.planning import MOVE, _choose, _pairs
from htmu_diag.operators.ntk.survey import Form, Parameter

# groups G, positions T, rows v (the side that varies by output), columns q
G, T, V, Q, N, C = 3, 5, 7, 11, 13, 2


def form(positions: int = T) -> Form:
    return Form(G, positions, V, Q, left_varies=True, one_hot=False)


def test_pairs_cost_what_the_planning_s_own_table_says() -> None:
    squares = N * N * G * T * T
    assert _pairs(form(), N, C, True, V, Q) == squares * (Q + C * V + 3 * MOVE)
    assert _pairs(form(), N, C, False, V, Q) == squares * (Q + C * V) + N * N * G * C * T * V * (C + 2 * MOVE)
    single = N * N * G
    assert _pairs(form(1), N, C, False, V, Q) == single * (Q + C * V + 3 * MOVE + C * C * (V + 3 * MOVE))


def test_pairs_hold_both_sides_of_every_position() -> None:
    parameter = Parameter("w", G * V * Q * 1000, (("0", "weight"),), form(1), covered=True)
    step = _choose(parameter, N, C, True, 4, 10**9)
    assert step.strategy == "pairs"
    assert step.stored == N * G * (C * V + Q) * 4
    assert _choose(parameter, N, C, True, 4, step.stored - 1).strategy == "rows"
    assert _choose(parameter, N, C, True, 4, step.stored).strategy == "pairs"


@pytest.mark.parametrize("n", [2, 6])
def test_passes_and_products_are_counted_from_the_weights(n: int) -> None:
    model = nn.Sequential(nn.Linear(8, 5, bias=False), nn.Tanh(), nn.Linear(5, 3, bias=False))
    plan = ntk_plan(model, torch.randn(n, 8), outputs="full")
    weights = 8 * 5 + 5 * 3
    assert plan.product_madds == PRODUCT * n * weights
    assert len(plan.passes) == 1
    assert plan.model_madds == n * weights * (1 + 3)  # one forward pass, and one back for each output


def test_a_full_block_is_the_sum_over_pairs_of_positions() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(3, C, T, V), torch.randn(4, C, T, V)
    gram = torch.randn(3 * T, 4 * T)
    expected = torch.einsum("itjs,ictr,jdsr->icjd", gram.view(3, T, 4, T), left, right)
    torch.testing.assert_close(_full_block(gram, left, right), expected.reshape(3 * C, 4 * C), rtol=1e-4, atol=1e-4)


NORMS = {
    "batch": (nn.BatchNorm1d(6), (4, 6)),
    "group": (nn.GroupNorm(2, 6), (4, 6, 5)),
    "instance": (nn.InstanceNorm1d(6, affine=True), (4, 6, 5)),
    "tracked instance": (nn.InstanceNorm1d(6, affine=True, track_running_stats=True), (4, 6, 5)),
    "layer": (nn.LayerNorm(6), (4, 6)),
    "rms": (nn.RMSNorm(6), (4, 6)),
}


@pytest.mark.parametrize("kind", NORMS)
def test_every_normalisation_is_covered_by_its_rule(kind: str) -> None:
    """A wrong rule is noticed and differentiation takes its place: right, and many times slower."""
    norm, shape = NORMS[kind]
    torch.manual_seed(0)
    nn.init.normal_(norm.weight)
    if getattr(norm, "running_mean", None) is not None:
        norm.running_mean.normal_()
    width = torch.Size(shape[1:]).numel()
    plan = ntk_plan(nn.Sequential(norm, nn.Flatten(), nn.Linear(width, 2)).eval(), torch.randn(shape))
    steps = [step for each in plan.passes for step in each.steps]
    assert {step.parameter.name for step in steps} >= {"0.weight", "2.weight"}
    assert all(step.parameter.covered for step in steps)
