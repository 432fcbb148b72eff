"""A miniature AlexNet for small images: five convolutions, three linear layers (Krizhevsky et al. 2012)."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["MiniAlexNet"]


class MiniAlexNet(nn.Module):
    """Images (colours, side, side), side at least 8, to logits; ``channels`` is the width of the first convolution."""

    def __init__(self, colours: int, side: int, outputs: int, channels: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        wide = 4 * channels
        self.features = nn.Sequential(
            *_convolution(colours, channels, 5),
            nn.MaxPool2d(2),
            *_convolution(channels, 3 * channels, 3),
            nn.MaxPool2d(2),
            *_convolution(3 * channels, wide, 3),
            *_convolution(wide, wide, 3),
            *_convolution(wide, 2 * channels, 3),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(2 * channels * (side // 8) ** 2, 8 * channels),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(8 * channels, 8 * channels),
            nn.ReLU(),
            nn.Linear(8 * channels, outputs),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(batch, colours, side, side) -> (batch, outputs)."""
        logits: torch.Tensor = self.classifier(self.features(images).flatten(1))
        return logits


def _convolution(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, kernel, padding="same"), nn.ReLU()
