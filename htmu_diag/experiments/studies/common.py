"""What the studies share: digits as centred one-hot regression, a small network, its tangent kernel."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from htmu_diag.config import DataConfig, ModelConfig
from htmu_diag.operators import empirical_ntk
from htmu_diag.spectrum import Floats
from htmu_diag.training.datasets import Samples, load_dataset
from htmu_diag.training.models import build_model

__all__ = ["all_digits", "one_hot", "tangent_kernel", "trained_network"]


def all_digits(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All 1,797 images (n, 1, 8, 8) and classes (n,), in an order of the seed's own."""
    data = load_dataset(DataConfig(name="digits"))
    assert isinstance(data, Samples)
    inputs, targets = torch.cat([data.inputs, data.test_inputs]), torch.cat([data.targets, data.test_targets])
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    return inputs[order], targets[order]


def one_hot(targets: torch.Tensor) -> torch.Tensor:
    """Centred one-hot rows (n, 10): a regression without a constant."""
    return F.one_hot(targets, 10).float() - 0.1


def trained_network(
    model: str,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    *,
    steps: int,
    lr: float,
    loss: str = "squared",
    seed: int = 0,
    batch: int = 64,
) -> torch.nn.Module:
    """A network of that name after so many steps of SGD with momentum 0.9 and a cosine schedule; 0 steps: fresh."""
    torch.manual_seed(seed)
    network = build_model(ModelConfig(name=model, widths=(256, 256), channels=16), (1, 8, 8), 10)  # type: ignore[arg-type]
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
    wanted = one_hot(targets)
    generator = torch.Generator().manual_seed(seed + 1)
    for _ in range(steps):
        rows = torch.randint(len(inputs), (min(batch, len(inputs)),), generator=generator)
        outputs = network(inputs[rows])
        squared = (outputs - wanted[rows]).square().sum(1).mean() / 2
        value = squared if loss == "squared" else F.cross_entropy(outputs, targets[rows])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def tangent_kernel(network: torch.nn.Module, inputs: torch.Tensor) -> Floats:
    """The trace NTK (n, n), in float64."""
    return np.asarray(empirical_ntk(network, inputs).matrix.double().numpy())
