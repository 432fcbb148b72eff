"""A convolution's matrices against the linear map that it is: its Jacobian, which knows nothing of weight layouts.

Where the stride is the kernel, patches do not overlap: one patch goes to one output pixel, and in a transposed
convolution one input pixel to one patch. The Jacobian is then the kernel as a matrix, zero between groups.
"""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from htmu_diag.matrices import Inventory, matrices

FORWARD = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
KERNELS = {1: (5,), 2: (2, 3), 3: (2, 1, 3)}
CASES = list(itertools.product((1, 2, 3), (1, 2, 4), (False, True)))


def layer(dims: int, groups: int, transposed: bool, outputs: int = 12) -> nn.Module:
    torch.manual_seed(0)
    kind, kernel = (TRANSPOSED if transposed else FORWARD)[dims - 1], KERNELS[dims]
    conv: nn.Module = kind(8, outputs, kernel, stride=kernel, groups=groups, bias=False).double()
    return conv


def jacobian(conv: nn.Module, dims: int, transposed: bool) -> torch.Tensor:
    """(outputs, inputs, kernel positions): from the derivative of one patch of outputs, or with respect to one."""
    size = (1,) * dims if transposed else KERNELS[dims]
    point = torch.zeros(1, 8, *size, dtype=torch.float64)
    found = torch.autograd.functional.jacobian(conv, point)  # (1, out, o..., 1, in, i...)
    outputs = found.shape[1]
    flat = found.reshape(outputs, -1, 8, point[0, 0].numel())
    return flat.permute(0, 2, 3, 1).reshape(outputs, 8, -1)


def stacked(inventory: Inventory) -> list[torch.Tensor]:
    return [matrix.read() for matrix in inventory]


@pytest.mark.parametrize(("dims", "groups", "transposed"), CASES)
def test_every_kernel_position_is_a_block_of_the_jacobian(dims: int, groups: int, transposed: bool) -> None:
    conv = layer(dims, groups, transposed)
    full = jacobian(conv, dims, transposed)
    positions = stacked(matrices(conv, conv="positions"))
    assert len(positions) == full.shape[2]
    for position, matrix in enumerate(positions):
        dense = torch.block_diag(*matrix.chunk(groups))
        torch.testing.assert_close(dense, full[:, :, position])


@pytest.mark.parametrize(("dims", "groups", "transposed"), CASES)
def test_groups_unfold_to_the_blocks_of_the_jacobian(dims: int, groups: int, transposed: bool) -> None:
    conv = layer(dims, groups, transposed)
    full = jacobian(conv, dims, transposed).unflatten(1, (groups, -1)).unflatten(0, (groups, -1))
    blocks = stacked(matrices(conv, conv="groups"))
    for group, matrix in enumerate(blocks):
        torch.testing.assert_close(matrix, full[group, :, group].flatten(1))
    torch.testing.assert_close(matrices(conv)["weight"].read(), torch.cat(blocks))


@pytest.mark.parametrize("transposed", [False, True])
def test_a_depthwise_convolution_has_one_row_a_channel(transposed: bool) -> None:
    conv = layer(2, 8, transposed, outputs=8)
    full = jacobian(conv, 2, transposed)
    expected = torch.stack([full[channel, channel] for channel in range(8)])
    torch.testing.assert_close(matrices(conv)["weight"].read(), expected)


def test_the_singular_values_of_an_unfolded_kernel_are_those_of_the_map_from_patches() -> None:
    conv = layer(2, 1, False)
    patches = torch.randn(5, 8 * 6, dtype=torch.float64)
    out = conv(patches.reshape(5, 8, 2, 3)).flatten(1)
    torch.testing.assert_close(out, patches @ matrices(conv)["weight"].read().T)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_scripted_convolution_keeps_its_layout() -> None:
    conv = nn.ConvTranspose1d(4, 6, 3, groups=2)
    scripted = torch.jit.script(conv)
    torch.testing.assert_close(matrices(scripted)["weight"].read(), matrices(conv)["weight"].read())
