"""MNIST and CIFAR-10 from files on disk, read by torchvision. Training never downloads; ``htmu fetch`` does."""

from __future__ import annotations

import shlex
from typing import Any

import torch

from htmu_diag.config import DataConfig
from htmu_diag.errors import ConfigError
from htmu_diag.extras import imported
from htmu_diag.training.datasets.base import Samples

__all__ = ["fetch", "torchvision_images"]

NAMES = {"mnist": "MNIST", "cifar10": "CIFAR10"}


def torchvision_images(config: DataConfig) -> Samples:
    """Images (n, colours, side, side), each colour with zero mean and unit variance over the training set.

    Raises ConfigError, with the command that fetches them, where the files are not there.
    """
    train, test = (_split(config.name, config.root, train=train) for train in (True, False))
    images, test_images = _images(train.data), _images(test.data)
    mean, std = images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), keepdim=True)
    return Samples(
        (images - mean) / std,
        torch.as_tensor(train.targets, dtype=torch.int64),
        (test_images - mean) / std,
        torch.as_tensor(test.targets, dtype=torch.int64),
        outputs=10,
        augment=config.augment,
    )


def fetch(name: str, root: str) -> None:
    """Download the files of a data set into a folder; does nothing where they are complete already."""
    maker = _maker(name)
    for train in (True, False):
        try:
            maker(root, train=train, download=True)
        except (OSError, RuntimeError) as error:  # urllib's errors are OSErrors; torchvision raises RuntimeError itself
            raise ConfigError(
                f"{name} could not be downloaded into {root}: {error}; is this machine online?"
            ) from error


def _split(name: str, root: str, *, train: bool) -> Any:
    try:
        return _maker(name)(root, train=train, download=False)
    except RuntimeError as error:  # torchvision's "Dataset not found or corrupted"
        raise ConfigError(
            f"{name} is not complete in {root!r}; fetch it with: htmu fetch {name} --root {shlex.quote(root)}"
        ) from error


def _maker(name: str) -> Any:
    return getattr(imported("torchvision.datasets", f"data.name: {name}"), NAMES[name])


def _images(pixels: Any) -> torch.Tensor:
    """(n, side, side) or (n, side, side, colours) bytes to (n, colours, side, side) in [0, 1]."""
    tensor = torch.as_tensor(pixels).float() / 255
    return tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2).contiguous()
