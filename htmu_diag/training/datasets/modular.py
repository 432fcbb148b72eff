"""Addition modulo a number: the task on which networks first memorise and much later understand ("grokking").

Every pair (a, b) once, as two one-hot vectors side by side; the class is (a + b) mod p (Power et al. 2022).
"""

from __future__ import annotations

import torch

from htmu_diag.config import DataConfig
from htmu_diag.training.datasets.base import Samples

__all__ = ["modular"]


def modular(config: DataConfig) -> Samples:
    """Inputs (n, 1, 1, 2 p) and classes below p for the p^2 pairs in a fixed random order; the first are held out."""
    p = config.modulus
    first, second = (part.flatten() for part in torch.meshgrid(torch.arange(p), torch.arange(p), indexing="ij"))
    inputs = torch.cat([torch.eye(p)[first], torch.eye(p)[second]], dim=1)[:, None, None]
    order = torch.randperm(p * p, generator=torch.Generator().manual_seed(0))
    inputs, targets = inputs[order], ((first + second) % p)[order]
    held_out = round(config.test_fraction * len(inputs))
    return Samples(inputs[held_out:], targets[held_out:], inputs[:held_out], targets[:held_out], outputs=p)
