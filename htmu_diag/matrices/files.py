"""What lies at a path: one file, a folder of shards with an index, or a distributed checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from htmu_diag.errors import InputError
from htmu_diag.matrices.distributed_folder import METADATA, distributed_tensors
from htmu_diag.matrices.safetensors_files import safetensors_tensors
from htmu_diag.matrices.stored import StoredTensor, unreadable
from htmu_diag.matrices.torch_files import torch_tensors

__all__ = ["is_checkpoint", "stored_tensors", "weight_files"]

_TORCH = (".pt", ".pth", ".bin", ".ckpt")
_SUFFIXES = (".safetensors", *_TORCH)
_NOT_WEIGHTS = ("optimizer", "scheduler", "rng_state", "training_args", "scaler", "random_states")


def stored_tensors(path: str | Path) -> Iterator[StoredTensor]:
    """The tensors at a path. Raises InputError with one clear line where there are none that can be read."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    if path.is_dir() and (path / METADATA).is_file():
        yield from distributed_tensors(path)
        return
    for file in weight_files(path):
        yield from safetensors_tensors(file) if file.suffix == ".safetensors" else torch_tensors(file)


def is_checkpoint(path: Path) -> bool:
    """True for a weight file, or a folder that holds one or a distributed checkpoint."""
    return path.suffix in _SUFFIXES if path.is_file() else (path / METADATA).is_file() or bool(_in_folder(path))


def weight_files(path: Path) -> list[Path]:
    """The files that hold the weights: the path itself, the shards its index names, or those of a folder."""
    if path.is_file():
        return _shards(path) if path.name.endswith(".index.json") else [_known(path)]
    files = _in_folder(path)
    if not files:
        raise unreadable(path, "no weights in this folder", f"pass a file or a folder with {', '.join(_SUFFIXES)}")
    return files


def _in_folder(folder: Path) -> list[Path]:
    """Safetensors before PyTorch files, an index before loose files: a folder may hold the same weights twice."""
    for suffixes in ((".safetensors",), _TORCH):
        names = sorted(file for file in folder.glob("*") if file.suffix in suffixes and file.is_file())
        files = [file for file in names if not file.name.startswith(_NOT_WEIGHTS)]
        indices = sorted(
            folder.glob("*.safetensors.index.json" if suffixes == (".safetensors",) else "*.bin.index.json")
        )
        if indices:
            return _shards(indices[0])
        if files:
            return files
    return []


def _shards(index: Path) -> list[Path]:
    try:
        names = json.loads(index.read_text())["weight_map"].values()
    except (ValueError, KeyError, AttributeError) as error:
        raise unreadable(index, "not an index of shards", "it needs a JSON object with 'weight_map'") from error
    files = [index.parent / name for name in dict.fromkeys(names)]
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise unreadable(index, f"shards are missing: {', '.join(missing[:3])}", "copy or download them")
    return files


def _known(path: Path) -> Path:
    if path.suffix not in _SUFFIXES:
        raise unreadable(path, "not a checkpoint by its ending", f"known endings: {', '.join(_SUFFIXES)}")
    return path
