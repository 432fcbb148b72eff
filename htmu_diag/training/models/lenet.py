"""A LeNet-like network: two padded convolutions with pooling, then two linear layers (LeCun et al. 1998)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["LeNet"]


class LeNet(nn.Module):
    """Images (colours, side, side) to logits; the kernel is 3 below 16 pixels a side and 5 from there on."""

    def __init__(self, colours: int, side: int, outputs: int, channels: int = 32) -> None:
        super().__init__()
        kernel = 3 if side < 16 else 5
        self.conv1 = nn.Conv2d(colours, channels, kernel, padding="same")
        self.conv2 = nn.Conv2d(channels, 2 * channels, kernel, padding="same")
        self.fc1 = nn.Linear(2 * channels * (side // 4) ** 2, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, outputs)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, colours, side, side) -> (batch, outputs)."""
        hidden = F.max_pool2d(F.relu(self.conv1(images)), 2)
        hidden = F.max_pool2d(F.relu(self.conv2(hidden)), 2)
        logits: torch.Tensor = self.fc2(F.relu(self.fc1(hidden.flatten(1))))
        return logits
