"""Weights stored as 8-bit codes times scales: one scale for all, one a row, or one a block (DeepSeek: 128 x 128).

The block's size is not stored. Of the sizes that give the observed number of blocks, a power of two is taken, else the
one that divides the side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["CODES", "SCALES", "scaled"]

CODES = frozenset({"torch.int8", "torch.float8_e4m3fn", "torch.float8_e5m2"})  # types of them
SCALES = ("weight_scale_inv", "weight_scale")  # both multiply, whatever the first is called


def scaled(codes: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """The weight, float32, of the codes' shape; ``scale`` has one entry, one a row, or one a block of each side."""
    factor = scale.detach().float()
    if factor.ndim == 1 and factor.numel() > 1:
        factor = factor.reshape(-1, *[1] * (codes.ndim - 1))
    for dim in range(factor.ndim if factor.numel() > 1 else 0):
        side, blocks = codes.shape[dim], factor.shape[dim]
        factor = factor.repeat_interleave(_block(side, blocks), dim).narrow(dim, 0, side) if blocks > 1 else factor
    return codes.detach().float().mul_(factor)


def _block(side: int, blocks: int) -> int:
    """Entries of one block where ``side`` entries fall into that many; the last may be shorter."""
    power = 1
    while -(-side // power) > blocks:
        power *= 2
    return power if -(-side // power) == blocks else -(-side // blocks)
