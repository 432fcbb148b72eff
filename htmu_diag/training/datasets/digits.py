"""Handwritten digits of scikit-learn: 1,797 images of 8 x 8 pixels that come with the library, no download."""

from __future__ import annotations

from functools import cache

import torch

from htmu_diag.config import DataConfig
from htmu_diag.extras import imported
from htmu_diag.training.datasets.base import Samples

__all__ = ["digits"]


def digits(config: DataConfig) -> Samples:
    """Images (n, 1, 8, 8), pixels scaled from [0, 16] to zero mean and unit variance over the whole set."""
    images, targets = _all()
    held_out = round(config.test_fraction * len(images))
    return Samples(images[held_out:], targets[held_out:], images[:held_out], targets[:held_out], outputs=10)


@cache
def _all() -> tuple[torch.Tensor, torch.Tensor]:
    """Images and classes in a fixed order; read once, since the library reads them from text (80 ms)."""
    table = imported("sklearn.datasets", "data.name: digits").load_digits()
    images = torch.tensor(table.images, dtype=torch.float32)[:, None]
    images = (images - images.mean()) / images.std()
    targets = torch.tensor(table.target, dtype=torch.int64)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order], targets[order]
