"""A multilayer perceptron: Linear layers with a pointwise nonlinearity between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

__all__ = ["MLP"]

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


class MLP(nn.Module):
    """inputs -> widths[0] -> ... -> outputs; images are flattened.

    Layers are ``fc1``, ``fc2``, ..., so that a layer keeps its name when the activation changes.
    """

    def __init__(self, inputs: int, widths: Sequence[int], outputs: int, activation: str = "relu") -> None:
        super().__init__()
        sides = [inputs, *widths, outputs]
        self.depth = len(sides) - 1
        for number in range(1, self.depth + 1):
            self.add_module(f"fc{number}", nn.Linear(sides[number - 1], sides[number]))
        self.activation = ACTIVATIONS[activation]()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(batch, ...) -> (batch, outputs)."""
        hidden = inputs.flatten(1)
        for number in range(1, self.depth):
            hidden = self.activation(self.get_submodule(f"fc{number}")(hidden))
        logits: torch.Tensor = self.get_submodule(f"fc{self.depth}")(hidden)
        return logits
