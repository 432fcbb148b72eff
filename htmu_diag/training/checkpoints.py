"""Checkpoints: written beside and renamed, so that a file named ``step-<n>.pt`` is always whole."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from htmu_diag.config import TrainConfig, as_dict, differences
from htmu_diag.errors import ConfigError, StorageError
from htmu_diag.files import storage_errors, write_atomically
from htmu_diag.training.state import State

__all__ = ["latest_checkpoint", "load_checkpoint", "save_checkpoint"]

# keys that a resumed run may change without becoming another run
MAY_CHANGE = ("device", "threads", "log_every", "evaluate_every", "data.root")
MAY_CHANGE_SECTIONS = ("monitor.", "checkpoint.")


def save_checkpoint(folder: Path, state: State, config: TrainConfig) -> Path:
    """Write ``step-<n>.pt`` and remove the oldest beyond ``checkpoint.keep``. Raises StorageError if it cannot."""
    path = folder / f"step-{state.step:08d}.pt"
    content = {
        "step": state.step,
        "config": as_dict(config),
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "random": _random_state(),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with storage_errors("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())
    for old in sorted(folder.glob("step-*.pt"))[: -config.checkpoint.keep]:
        old.unlink()
    return path


def latest_checkpoint(folder: Path) -> Path:
    """The newest checkpoint of a run. Raises ConfigError where there is none."""
    found = sorted(folder.glob("step-*.pt"))
    if not found:
        raise ConfigError(f"--resume: {folder} has no checkpoint; start the run without --resume")
    return found[-1]


def load_checkpoint(path: Path, state: State, config: TrainConfig) -> None:
    """Put a saved run into a fresh state: weights, optimizer, step and random generators.

    Raises ConfigError where the configuration describes another run, StorageError for a damaged file.
    """
    if not zipfile.is_zipfile(path):  # torch's own format is a zip archive; a torn one has lost its directory
        raise StorageError(f"{path}: damaged checkpoint; delete it to resume from an older one")
    content: dict[str, Any] = torch.load(path, map_location=state.device, weights_only=True)
    _refuse_another_run(path, content["config"], as_dict(config))
    state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.step = content["step"]
    _set_random_state(content["random"])


def _refuse_another_run(path: Path, saved: dict[str, Any], given: dict[str, Any]) -> None:
    changed = [
        key for key in differences(saved, given) if key not in MAY_CHANGE and not key.startswith(MAY_CHANGE_SECTIONS)
    ]
    if changed:
        raise ConfigError(f"--resume: {path} was made with another {', '.join(changed)}; use the run's own config.yaml")


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _set_random_state(saved: dict[str, Any]) -> None:
    torch.set_rng_state(saved["cpu"].cpu())
    if saved["cuda"] and torch.cuda.device_count() == len(saved["cuda"]):
        torch.cuda.set_rng_state_all([state.cpu() for state in saved["cuda"]])
