"""Bundled networks, small enough to diagonalise every layer while they train."""

from __future__ import annotations

import math

from torch import nn

from htmu_diag.config import ModelConfig
from htmu_diag.errors import ConfigError
from htmu_diag.training.models.alexnet import MiniAlexNet
from htmu_diag.training.models.char_transformer import CharTransformer
from htmu_diag.training.models.lenet import LeNet
from htmu_diag.training.models.mlp import MLP
from htmu_diag.training.models.resnet9 import ResNet9

__all__ = ["MLP", "CharTransformer", "LeNet", "MiniAlexNet", "ResNet9", "build_model"]


def build_model(config: ModelConfig, shape: tuple[int, ...], outputs: int) -> nn.Module:
    """The configured network for inputs of this shape, (colours, side, side) or (context,), and number of classes.

    Raises ConfigError where the network cannot take such inputs.
    """
    is_text = len(shape) == 1
    if is_text != (config.name == "char_transformer"):
        other = "char_transformer" if is_text else "mlp, lenet, alexnet or resnet9"
        raise ConfigError(f"model.name: {config.name} cannot read inputs of shape {shape}; choose {other}")
    if config.name == "mlp":
        return MLP(math.prod(shape), config.widths, outputs, config.activation)
    if config.name == "lenet":
        return LeNet(shape[0], shape[1], outputs, config.channels)
    if config.name == "alexnet":
        return MiniAlexNet(shape[0], shape[1], outputs, config.channels, config.dropout)
    if config.name == "resnet9":
        return ResNet9(shape[0], outputs, config.channels)
    return CharTransformer(outputs, shape[0], config.embedding, config.heads, config.layers, config.dropout)
