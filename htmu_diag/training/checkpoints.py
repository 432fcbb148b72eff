"""Checkpoints: written beside and renamed, so that a file named ``step-<n>.pt`` is always whole."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from htmu_diag.config import TrainConfig, as_dict, differences
from htmu_diag.errors import ConfigError, InputError, StorageError
from htmu_diag.files import storage_errors, write_atomically
from htmu_diag.matrices.stored import DAMAGE, first_line
from htmu_diag.matrices.torch_archive import load_torch
from htmu_diag.plain_files import open_plain
from htmu_diag.training.state import State

__all__ = ["latest_checkpoint", "load_checkpoint", "save_checkpoint"]

_REMEDY = "delete it to resume from an older one"
_PARTS = {"step": int, "config": dict, "model": dict, "optimizer": dict, "random": dict}
# what torch raises for a state of other names, shapes or types
_MISFITS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)
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
    if folder.is_symlink():
        raise StorageError(f"{folder}: a link, which is not written through; put a folder in its place")
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

    Raises ConfigError where the configuration describes another run, StorageError for a damaged or a foreign file.
    """
    content = _read(path, state.device)
    _refuse_another_run(path, content["config"], as_dict(config))
    try:
        state.model.load_state_dict(content["model"])
        state.optimizer.load_state_dict(content["optimizer"])
        _refuse_other_shapes(state.optimizer)
        _set_random_state(content["random"])
    except _MISFITS as error:
        raise StorageError(f"{path}: does not fit this run ({first_line(error)}); {_REMEDY}") from error
    state.step = content["step"]


def _read(path: Path, device: torch.device) -> dict[str, Any]:
    """The content of a file that `save_checkpoint` wrote, every byte as it was written."""
    try:
        with open_plain(path) as file:
            content = load_torch(file, path, device=device)
            _refuse_flipped_bits(file)
    except (InputError, *DAMAGE) as error:
        reason = first_line(error).removeprefix(f"{path}: ").split("; ")[0]
        raise StorageError(f"{path}: damaged checkpoint ({reason}); {_REMEDY}") from error
    wrong = [key for key, kind in _PARTS.items() if not isinstance(_part(content, key), kind)]
    if wrong or isinstance(content["step"], bool) or not 0 <= content["step"] < 2**62:
        raise StorageError(f"{path}: no checkpoint of htmu train (without {', '.join(wrong) or 'a step'}); {_REMEDY}")
    return dict(content)


def _part(content: object, key: str) -> object:
    return content.get(key) if isinstance(content, dict) else None


def _refuse_flipped_bits(file: io.BufferedReader) -> None:
    """Every entry of the archive carries a checksum, which torch writes and does not compare."""
    with zipfile.ZipFile(file) as archive:
        name = archive.testzip()
    if name is not None:
        raise InputError(f"the checksum of {name} differs")


def _refuse_other_shapes(optimizer: torch.optim.Optimizer) -> None:
    """State of other weights would be taken without a word, and fail at the first step."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.ndim and value.shape != parameter.shape:
                raise ValueError(f"{name} of shape {tuple(value.shape)} for a weight of {tuple(parameter.shape)}")


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
