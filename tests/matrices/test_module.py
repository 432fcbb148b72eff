"""Every layer type gives its matrices under clean names; every other parameter gives a reason."""

import torch
from torch import nn

from htmu_diag.matrices import Inventory, clean_name, matrices


def shapes(inventory: Inventory) -> dict[str, tuple[int, int]]:
    for matrix in inventory:
        assert tuple(matrix.read().shape) == matrix.shape
    return {matrix.name: matrix.shape for matrix in inventory}


def reason(inventory: Inventory, name: str) -> str:
    return next(skip.reason for skip in inventory.skipped if skip.name == name)


def test_linear_and_convolution_unfold_to_outputs_by_inputs() -> None:
    net = nn.Sequential(nn.Linear(8, 3), nn.Conv1d(4, 6, 5), nn.Conv2d(2, 5, 3), nn.Conv3d(2, 3, 2))
    expected = {"0.weight": (3, 8), "1.weight": (6, 20), "2.weight": (5, 18), "3.weight": (3, 16)}
    assert shapes(matrices(net)) == expected
    torch.testing.assert_close(matrices(net)["2.weight"].read(), net[2].weight.detach().reshape(5, 18))


def test_biases_and_norms_are_skipped_and_said_so() -> None:
    inventory = matrices(nn.Sequential(nn.Linear(8, 3), nn.LayerNorm((4, 3)), nn.BatchNorm1d(3)))
    assert inventory.names == ("0.weight",)
    assert "one-dimensional" in reason(inventory, "0.bias")
    assert reason(inventory, "1.weight") == "an elementwise scale of LayerNorm, not a matrix"


def test_names_are_clean_of_wrappers() -> None:
    assert clean_name("module._orig_mod.a._fsdp_wrapped_module.module.weight") == "a.module.weight"
    plain = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    assert matrices(torch.compile(plain)).names == matrices(plain).names
    assert matrices(nn.Sequential(nn.DataParallel(nn.Linear(4, 3)))).names == ("0.weight",)


def test_reading_gives_detached_tensors_of_single_precision_or_more() -> None:
    matrix = matrices(nn.Linear(4, 3).bfloat16())["weight"].read()
    assert matrix.dtype == torch.float32
    assert not matrix.requires_grad


def test_the_cost_grows_with_the_cube_of_the_sides_and_is_the_same_transposed() -> None:
    """n m^2 + 4 m^3, m the smaller side."""
    cost = {(n, m): next(iter(matrices(nn.Linear(m, n)))).cost for n, m in [(20, 30), (40, 60), (30, 20), (20, 20)]}
    assert cost[40, 60] == 8 * cost[20, 30]
    assert cost[20, 30] == cost[30, 20] == cost[20, 20] * (30 + 80) / 100
