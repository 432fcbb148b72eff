"""What lies at a path: one file, a folder of shards with an index, or a distributed checkpoint."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
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
_INDEX = ".index.json"


def stored_tensors(path: str | Path) -> Iterator[StoredTensor]:
    """The tensors at a path, each name once. Raises InputError with one clear line where they cannot be read."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path")
    if path.is_dir() and (path / METADATA).is_file():
        yield from distributed_tensors(path)
        return
    index = _index(path)
    if index is None:
        yield from _without_twins(path, weight_files(path))
    else:
        yield from _indexed(index)


def is_checkpoint(path: Path) -> bool:
    """True for a weight file, or a folder that holds one or a distributed checkpoint."""
    return path.suffix in _SUFFIXES if path.is_file() else (path / METADATA).is_file() or bool(_in_folder(path))


def weight_files(path: Path) -> list[Path]:
    """The files that hold the weights: the path itself, the shards its index names, or those of a folder."""
    index = _index(path)
    if index is not None:
        return sorted(set(_weight_map(index).values()))
    if path.is_file():
        return [_known(path)]
    files = _in_folder(path)
    if not files:
        raise unreadable(path, "no weights in this folder", f"pass a file or a folder with {', '.join(_SUFFIXES)}")
    return files


def _index(path: Path) -> Path | None:
    """The index of shards that the path is or holds; one of safetensors goes before one of PyTorch files."""
    if path.is_file():
        return path if path.name.endswith(_INDEX) else None
    kinds = (".safetensors",) if _loose(path, (".safetensors",)) else (".safetensors", ".bin")
    return next((file for kind in kinds for file in sorted(path.glob(f"*{kind}{_INDEX}"))), None)


def _in_folder(folder: Path) -> list[Path]:
    """Safetensors before PyTorch files: a folder may hold the same weights twice."""
    return _loose(folder, (".safetensors",)) or _loose(folder, _TORCH)


def _loose(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    files = sorted(file for file in folder.glob("*") if file.suffix in suffixes and file.is_file())
    return [file for file in files if not file.name.startswith(_NOT_WEIGHTS)]


def _without_twins(path: Path, files: Iterable[Path]) -> Iterator[StoredTensor]:
    """Tensors of loose files, which are one model only where no name occurs in two of them."""
    seen: dict[str, Path] = {}
    for file in files:
        for tensor in _in_file(file):
            other = seen.setdefault(tensor.name, file)
            if other is not file:
                what = f"{other.name} and {file.name} both hold {tensor.name}, so they are not one model"
                raise unreadable(path, what, "pass one of the files")
            yield tensor


def _indexed(index: Path) -> Iterator[StoredTensor]:
    """Tensors of shards: a name from the shard that the index gives, names that it does not know from any."""
    names = _weight_map(index)
    seen: set[str] = set()
    for file in dict.fromkeys(names.values()):
        for tensor in _in_file(file):
            if names.get(tensor.name, file) == file and tensor.name not in seen:
                seen.add(tensor.name)
                yield tensor
    missing = [name for name in names if name not in seen]
    if missing:
        what = f"{len(missing)} of {len(names)} tensors are not in their shards ({', '.join(missing[:3])})"
        raise unreadable(index, what, "copy or download the shards and the index again")


def _in_file(file: Path) -> Iterator[StoredTensor]:
    return safetensors_tensors(file) if file.suffix == ".safetensors" else torch_tensors(file)


def _weight_map(index: Path) -> Mapping[str, Path]:
    """Name of each tensor -> its shard. Raises InputError for a damaged index or missing shards."""
    try:
        shards = {
            str(name): index.parent / shard for name, shard in json.loads(index.read_text())["weight_map"].items()
        }
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise unreadable(index, "not an index of shards", "it needs a JSON object with 'weight_map'") from error
    missing = sorted({file.name for file in shards.values() if not file.is_file()})
    if missing:
        raise unreadable(index, f"shards are missing: {', '.join(missing[:3])}", "copy or download them")
    return shards


def _known(path: Path) -> Path:
    if path.suffix not in _SUFFIXES:
        raise unreadable(path, "not a checkpoint by its ending", f"known endings: {', '.join(_SUFFIXES)}")
    return path
