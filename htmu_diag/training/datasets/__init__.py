"""Bundled data sets; none of them is ever downloaded silently."""

from __future__ import annotations

from dataclasses import replace

import torch

from htmu_diag.config import DataConfig
from htmu_diag.errors import ConfigError
from htmu_diag.training.datasets.base import Batch, Dataset, Samples
from htmu_diag.training.datasets.digits import digits
from htmu_diag.training.datasets.modular import modular
from htmu_diag.training.datasets.noise import noise
from htmu_diag.training.datasets.power_law import power_law
from htmu_diag.training.datasets.stdlib_text import Text, stdlib_text
from htmu_diag.training.datasets.torchvision_images import torchvision_images

__all__ = ["Batch", "Dataset", "Samples", "Text", "load_dataset"]

IMAGES = {
    "digits": digits,
    "noise": noise,
    "power_law": power_law,
    "modular": modular,
    "mnist": torchvision_images,
    "cifar10": torchvision_images,
}


def load_dataset(config: DataConfig, seed: int = 0) -> Dataset:
    """The configured data, cut to ``data.samples`` and with ``data.random_labels`` of the training labels replaced."""
    if config.name == "stdlib_text":
        if config.random_labels:
            raise ConfigError(
                "data.random_labels: text has no labels to replace; set it to 0 or choose another data set"
            )
        return stdlib_text(config)
    data = IMAGES[config.name](config)
    if config.samples:
        data = replace(data, inputs=data.inputs[: config.samples], targets=data.targets[: config.samples])
    return _with_random_labels(data, config.random_labels, seed)


def _with_random_labels(data: Samples, fraction: float, seed: int) -> Samples:
    """Replace this share of training labels by uniform ones (Zhang et al. 2017); test labels stay true."""
    if not fraction:
        return data
    generator = torch.Generator().manual_seed(seed + 7)
    count = round(fraction * len(data.targets))
    chosen = torch.randperm(len(data.targets), generator=generator)[:count]
    targets = data.targets.clone()
    targets[chosen] = torch.randint(data.outputs, (count,), generator=generator)
    return replace(data, targets=targets)
