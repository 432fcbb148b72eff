"""ResNet9: a nine-layer residual network for 32 x 32 images, of the kind used in short CIFAR-10 runs.

Four convolutions, two residual pairs and one linear layer, each convolution with BatchNorm and ReLU.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ResNet9"]


class ResNet9(nn.Module):
    """Images (colours, side, side), side at least 8, to logits; widths are channels x (1, 2, 4, 8)."""

    def __init__(self, colours: int, outputs: int, channels: int = 64) -> None:
        super().__init__()
        one, two, four, eight = (channels * factor for factor in (1, 2, 4, 8))
        self.stem = _block(colours, one)
        self.stage1 = nn.Sequential(_block(one, two), nn.MaxPool2d(2))
        self.residual1 = nn.Sequential(_block(two, two), _block(two, two))
        self.stage2 = nn.Sequential(_block(two, four), nn.MaxPool2d(2))
        self.stage3 = nn.Sequential(_block(four, eight), nn.MaxPool2d(2))
        self.residual2 = nn.Sequential(_block(eight, eight), _block(eight, eight))
        self.head = nn.Linear(eight, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, colours, side, side) -> (batch, outputs)."""
        hidden = self.stage1(self.stem(images))
        hidden = hidden + self.residual1(hidden)
        hidden = self.stage3(self.stage2(hidden))
        hidden = hidden + self.residual2(hidden)
        logits: torch.Tensor = self.head(hidden.amax(dim=(2, 3)))
        return logits


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
