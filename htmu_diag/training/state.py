"""Everything that a run needs to continue: model, optimizer, data, number of steps taken."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from htmu_diag.config import TrainConfig
from htmu_diag.errors import ConfigError, HTMUError
from htmu_diag.matrices.stored import first_line
from htmu_diag.training.datasets import Dataset, load_dataset
from htmu_diag.training.models import build_model
from htmu_diag.training.optimizers import build_optimizer

__all__ = ["State", "initial_state", "resolve_device"]


@dataclass
class State:
    """The one mutable thing of a run. step: optimizer steps taken."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    data: Dataset
    device: torch.device
    step: int = 0


def initial_state(config: TrainConfig) -> State:
    """A freshly initialised run; weights depend on the seed only, whatever the device.

    Raises ConfigError for a device that is not there, for missing data files, and for sizes that this machine cannot
    hold.
    """
    device = resolve_device(config.device)
    try:
        return _made(config, device)
    except HTMUError:
        raise
    except (RuntimeError, MemoryError, OverflowError) as error:  # what torch and numpy raise of sizes
        what = f"the model and the data cannot be made in these sizes ({first_line(error)})"
        raise ConfigError(f"{what}; choose smaller ones") from error


def _made(config: TrainConfig, device: torch.device) -> State:
    data = load_dataset(config.data, config.seed)
    for what, (_, targets) in (("train", data.head(1)), ("test", data.test_batches(4096)[0])):
        if not targets.numel():
            fraction = config.data.test_fraction
            raise ConfigError(f"data.test_fraction is {fraction}, which leaves no sample to {what} on; change it")
    torch.manual_seed(config.seed)
    model = build_model(config.model, data.shape, data.outputs)
    dtype = torch.float64 if config.dtype == "float64" else torch.float32
    model = model.to(device, dtype)
    return State(model, build_optimizer(config.optimizer, model), data.to(device, dtype), device)


def resolve_device(name: str) -> torch.device:
    """The device of that name; "auto" takes CUDA, then MPS, then the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (
        RuntimeError,
        AssertionError,
        NotImplementedError,
    ) as error:  # torch asserts where it was built without CUDA
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device: {name} cannot be used here ({reason}); choose cpu or auto") from error
    return device
