"""Gaussian images with random labels: data without any structure, so every heavy tail is the training's own doing."""

from __future__ import annotations

import torch

from htmu_diag.config import DataConfig
from htmu_diag.training.datasets.base import Samples

__all__ = ["noise"]

SIDE, COLOURS, CLASSES, SAMPLES = 32, 3, 10, 2000


def noise(config: DataConfig) -> Samples:
    """Images (n, 3, 32, 32) of independent N(0, 1) pixels and uniform labels; n is data.samples or 2,000."""
    train = config.samples or SAMPLES
    test = max(1, round(train * config.test_fraction))
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(train + test, COLOURS, SIDE, SIDE, generator=generator)
    labels = torch.randint(CLASSES, (train + test,), generator=generator)
    return Samples(images[:train], labels[:train], images[train:], labels[train:], outputs=CLASSES)
