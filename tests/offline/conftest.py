"""A small network with heavy-tailed weights, and the same as a checkpoint."""

from pathlib import Path

import pytest
import torch


def heavy_network(seed: int = 0) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.LayerNorm(96), torch.nn.Linear(96, 48))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.distributions.StudentT(torch.tensor(2.0)).sample(parameter.shape))
    return model


@pytest.fixture
def heavy() -> torch.nn.Sequential:
    return heavy_network()


@pytest.fixture
def checkpoint(heavy: torch.nn.Sequential, tmp_path: Path) -> Path:
    path = tmp_path / "heavy.pt"
    torch.save(heavy.state_dict(), path)
    return path
