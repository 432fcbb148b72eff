"""Gaussian inputs with a chosen correlation: the first cause of heavy tails as a dial.

The covariance has eigenvalues i^-a, scaled to mean variance 1, in a random basis (in a diagonal one the first layer
would see large and small inputs). Its spectrum's density has exponent 1 + 1/a; a = 0 is white noise. Labels are the
largest of ten random linear functions of the inputs: they can be learned, and depend on a only through the inputs.
"""

from __future__ import annotations

import torch

from htmu_diag.config import DataConfig
from htmu_diag.training.datasets.base import Samples

__all__ = ["power_law"]

CLASSES, SAMPLES = 10, 2000


def power_law(config: DataConfig) -> Samples:
    """Inputs (n, 1, 1, d) of covariance spectrum i^-exponent; n is data.samples or 2,000."""
    train = config.samples or SAMPLES
    count = train + max(1, round(train * config.test_fraction))
    generator = torch.Generator().manual_seed(0)
    variances = torch.arange(1, config.dimension + 1, dtype=torch.float64) ** -config.exponent
    scales = (variances / variances.mean()).sqrt()
    basis = torch.linalg.qr(torch.randn(config.dimension, config.dimension, generator=generator, dtype=torch.float64)).Q
    inputs = (torch.randn(count, config.dimension, generator=generator, dtype=torch.float64) * scales) @ basis.T
    teacher = torch.randn(config.dimension, CLASSES, generator=generator, dtype=torch.float64)
    labels = (inputs @ teacher).argmax(1)
    images = inputs.float()[:, None, None]
    return Samples(images[:train], labels[:train], images[train:], labels[train:], outputs=CLASSES)
